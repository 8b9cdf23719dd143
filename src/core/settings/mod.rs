//! Configuration: the sections and their defaults.

mod sections;

pub use self::sections::{
    Billing, Bootstrap, Db, Jwt, Plugins, RateLimit, Redis, Server, Session, Settings, Telemetry,
};
