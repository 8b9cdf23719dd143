-- The worker removes tokens whose time is over, and looks for them every few minutes.
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);
