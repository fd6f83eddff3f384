-- A site may be stricter than the service about how long ago a view may have begun.

alter table sites add column late_hours smallint check (late_hours > 0); -- null: JALKI_LATE_HOURS, which it never exceeds
