-- One code for each address and purpose: asking again replaces it, and two requests at the same moment can't both be
-- answered. Codes live ten minutes; none is worth keeping.
DELETE FROM verification_codes;
DROP INDEX verification_codes_email;
CREATE UNIQUE INDEX verification_codes_email ON verification_codes (email, purpose);
CREATE INDEX verification_codes_expiry ON verification_codes (expires_at);
