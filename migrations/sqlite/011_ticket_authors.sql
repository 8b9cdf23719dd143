-- Who opened a ticket or wrote a reply need not be a user: a reseller's key and the command line have none.
-- `creator_user_id` is an administrator's; it is empty when the customer opened the ticket.
-- SQLite can't drop NOT NULL, but it can put another column in place of one.
ALTER TABLE tickets RENAME COLUMN creator_user_id TO former_creator_user_id;
ALTER TABLE tickets ADD COLUMN creator_user_id TEXT;
UPDATE tickets SET creator_user_id = former_creator_user_id;
ALTER TABLE tickets DROP COLUMN former_creator_user_id;
ALTER TABLE ticket_replies RENAME COLUMN user_id TO former_user_id;
ALTER TABLE ticket_replies ADD COLUMN user_id TEXT;
UPDATE ticket_replies SET user_id = former_user_id;
ALTER TABLE ticket_replies DROP COLUMN former_user_id;
