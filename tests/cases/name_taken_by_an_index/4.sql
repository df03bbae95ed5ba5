DROP TABLE m__next;
