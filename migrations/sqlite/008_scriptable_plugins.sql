-- Plugins are scripts: each interface carries the source it runs and that source's SHA-256.
ALTER TABLE plugin_interfaces ADD COLUMN script_source TEXT NOT NULL DEFAULT '';
ALTER TABLE plugin_interfaces ADD COLUMN script_hash TEXT NOT NULL DEFAULT '';
-- Set when an administrator edited the source, so that a scan does not overwrite it.
ALTER TABLE plugin_interfaces ADD COLUMN script_edited INTEGER NOT NULL DEFAULT 0 CHECK (script_edited IN (0, 1));

-- What a script remembers between calls. Keys of different interfaces never meet.
CREATE TABLE plugin_state (
    interface_id TEXT NOT NULL REFERENCES plugin_interfaces (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    updated_at TEXT NOT NULL CHECK (length(updated_at) = 27),
    PRIMARY KEY (interface_id, key)
) STRICT;
