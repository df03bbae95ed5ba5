REVOKE ALL ON mart.b FROM {db}_ops, {db}_bi;
