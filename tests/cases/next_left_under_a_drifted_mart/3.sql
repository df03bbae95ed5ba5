COMMENT ON TABLE c__next IS 'precious';
