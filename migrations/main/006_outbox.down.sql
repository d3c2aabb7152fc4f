DROP TABLE outbox.events;
DROP SCHEMA outbox;
