-- Sections that a provider's script adds to the page of an instance, as last fetched.
ALTER TABLE instances ADD COLUMN detail_sections TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(detail_sections));
