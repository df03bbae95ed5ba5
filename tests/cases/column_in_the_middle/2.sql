{facts}
GRANT SELECT ON star, stored, named TO PUBLIC;
SELECT keep('named');
