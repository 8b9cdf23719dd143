-- Plugins are scripts: each interface carries the source it runs and that source's SHA-256.
ALTER TABLE plugin_interfaces ADD COLUMN script_source TEXT NOT NULL DEFAULT '';
ALTER TABLE plugin_interfaces ADD COLUMN script_hash TEXT NOT NULL DEFAULT '';
-- Set when an administrator edited the source, so that a scan does not overwrite it.
ALTER TABLE plugin_interfaces ADD COLUMN script_edited BOOLEAN NOT NULL DEFAULT FALSE;

-- What a script remembers between calls. Keys of different interfaces never meet.
CREATE TABLE plugin_state (
    interface_id UUID NOT NULL REFERENCES plugin_interfaces (id) ON DELETE CASCADE,
    key TEXT COLLATE "C" NOT NULL,
    value TEXT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (interface_id, key)
);
