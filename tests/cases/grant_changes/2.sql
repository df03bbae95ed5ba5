GRANT SELECT ON v TO {db}_ops;
