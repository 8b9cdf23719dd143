-- When an interface is to be asked for its health again. The server that moves it asks, so that several servers don't all ask.
ALTER TABLE plugin_interfaces ADD COLUMN health_due_at TEXT CHECK (length(health_due_at) = 27);
