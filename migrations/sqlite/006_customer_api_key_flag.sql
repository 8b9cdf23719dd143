-- Whether a customer may create keys for itself.
ALTER TABLE customers ADD COLUMN can_create_api_keys INTEGER NOT NULL DEFAULT 0 CHECK (can_create_api_keys IN (0, 1));
