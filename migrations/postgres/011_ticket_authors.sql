-- Who opened a ticket or wrote a reply need not be a user: a reseller's key and the command line have none.
-- `creator_user_id` is an administrator's; it is empty when the customer opened the ticket.
ALTER TABLE tickets ALTER COLUMN creator_user_id DROP NOT NULL;
ALTER TABLE ticket_replies ALTER COLUMN user_id DROP NOT NULL;
