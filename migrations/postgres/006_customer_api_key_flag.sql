-- Whether a customer may create keys for itself.
ALTER TABLE customers ADD COLUMN can_create_api_keys BOOLEAN NOT NULL DEFAULT FALSE;
