-- Definitions found in the plugin directory; an interface is one of them with a configuration.
CREATE TABLE plugins (
    id UUID PRIMARY KEY,
    plugin_type TEXT NOT NULL CHECK (plugin_type IN ('first_party_provider', 'upstream_provider', 'gateway', 'notifier')),
    plugin_id TEXT COLLATE "C" NOT NULL,
    file_name TEXT NOT NULL,
    has_admin_page BOOLEAN NOT NULL,
    version TEXT NOT NULL,
    config_schema JSONB NOT NULL,
    script_source TEXT NOT NULL,
    script_hash TEXT NOT NULL,
    -- Why the file that was found last can't be used; empty when it can.
    problem TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (plugin_type, plugin_id)
);
ALTER TABLE plugin_interfaces ADD COLUMN plugin_def_id UUID REFERENCES plugins (id);
CREATE INDEX plugin_interfaces_definition ON plugin_interfaces (plugin_def_id);
