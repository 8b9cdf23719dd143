-- Definitions found in the plugin directory; an interface is one of them with a configuration.
CREATE TABLE plugins (
    id TEXT PRIMARY KEY,
    plugin_type TEXT NOT NULL CHECK (plugin_type IN ('first_party_provider', 'upstream_provider', 'gateway', 'notifier')),
    plugin_id TEXT NOT NULL,
    file_name TEXT NOT NULL,
    has_admin_page INTEGER NOT NULL CHECK (has_admin_page IN (0, 1)),
    version TEXT NOT NULL,
    config_schema TEXT NOT NULL CHECK (json_valid(config_schema)),
    script_source TEXT NOT NULL,
    script_hash TEXT NOT NULL,
    -- Why the file that was found last can't be used; empty when it can.
    problem TEXT NOT NULL,
    created_at TEXT NOT NULL CHECK (length(created_at) = 27),
    updated_at TEXT NOT NULL CHECK (length(updated_at) = 27),
    UNIQUE (plugin_type, plugin_id)
) STRICT;
ALTER TABLE plugin_interfaces ADD COLUMN plugin_def_id TEXT REFERENCES plugins (id);
CREATE INDEX plugin_interfaces_definition ON plugin_interfaces (plugin_def_id);
