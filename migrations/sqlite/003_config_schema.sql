-- The form of an interface's configuration, taken from its script.
ALTER TABLE plugin_interfaces ADD COLUMN config_schema TEXT NOT NULL DEFAULT '{"type":"object","properties":{}}' CHECK (json_valid(config_schema));
