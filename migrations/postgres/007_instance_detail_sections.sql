-- Sections that a provider's script adds to the page of an instance, as last fetched.
ALTER TABLE instances ADD COLUMN detail_sections JSONB NOT NULL DEFAULT '[]';
