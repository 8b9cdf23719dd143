-- Whether a script that was edited here has a page for the administration; NULL: the script is its definition's.
ALTER TABLE plugin_interfaces ADD COLUMN has_admin_page BOOLEAN;
