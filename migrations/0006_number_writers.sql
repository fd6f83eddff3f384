-- Whoever writes flushes takes a number here when it starts, and puts it into the ids of its flushes: no two that live at
-- the same time share one, which random bits would now and then. One database hands them out, also where facts are spread.
create sequence flush_writers as int minvalue 0 maxvalue 65535 cycle;
