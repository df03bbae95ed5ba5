DROP VIEW c__next;
