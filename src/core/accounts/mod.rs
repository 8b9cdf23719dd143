//! What strangers may do to become customers: ask for a code, and register with it. Above `identity` and `customers`,
//! since an account is one of each, and above `notifications`, which carries the code.

mod operations;

pub use self::operations::{CodeSent, NewAccount, register, send_code};
