-- The form of an interface's configuration, taken from its script.
ALTER TABLE plugin_interfaces ADD COLUMN config_schema JSONB NOT NULL DEFAULT '{"type":"object","properties":{}}';
