//! The address of the client: the peer's, or the one that a trusted proxy tells.

use std::{
    net::{IpAddr, SocketAddr},
    sync::atomic::{AtomicBool, Ordering},
};

use axum::{
    extract::{ConnectInfo, Request},
    http::HeaderMap,
};
use ipnet::IpNet;

/// Each proxy appends whom it got the request from.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Where a request comes from; `None` when the connection has no address.
pub(super) fn address(request: &Request, trusted: &[IpNet]) -> Option<IpAddr> {
    let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
    Some(behind_proxies(peer.ip(), request.headers(), trusted))
}

/// Walks from the peer outwards as long as the one who tells is trusted. Whatever stands further left was written by
/// somebody whom nobody vouches for.
fn behind_proxies(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    // An IPv4 client of a dual-stack listener is the same client.
    let mut client = peer.to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let fields: Vec<&str> = headers.get_all(FORWARDED_FOR).iter().map(|field| field.to_str().unwrap_or("")).collect();
    if !fields.is_empty() && !is_trusted(client) {
        mention_once(client);
    }
    for entry in fields.iter().rev().flat_map(|field| field.rsplit(',')) {
        if !is_trusted(client) {
            break;
        }
        let Some(told) = parse(entry.trim()) else { break };
        client = told;
    }
    client
}

/// Some proxies add the port.
fn parse(entry: &str) -> Option<IpAddr> {
    let address = entry.parse().or_else(|_| entry.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address| address.to_canonical())
}

/// A proxy that was forgotten makes one client of all: worth one line, while a line for each would help attackers.
fn mention_once(peer: IpAddr) {
    static WAS_SAID: AtomicBool = AtomicBool::new(false);
    if !WAS_SAID.swap(true, Ordering::Relaxed) {
        tracing::warn!(%peer, "X-Forwarded-For is ignored: the peer is not in [server].trusted_proxies");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, fields: &[&str]) -> String {
        let trusted: Vec<IpNet> = ["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"].map(|net| net.parse().unwrap()).into();
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(FORWARDED_FOR, field.parse().unwrap());
        }
        behind_proxies(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        assert_eq!(client("198.51.100.7", &[]), "198.51.100.7");
        assert_eq!(client("198.51.100.7", &["203.0.113.1"]), "198.51.100.7");
        assert_eq!(client("::ffff:198.51.100.7", &["127.0.0.1"]), "198.51.100.7");
    }

    #[test]
    fn trusted_hops_are_walked_from_the_right() {
        assert_eq!(client("127.0.0.1", &["203.0.113.1"]), "203.0.113.1");
        assert_eq!(client("::ffff:127.0.0.1", &["203.0.113.1:4711"]), "203.0.113.1");
        assert_eq!(client("fd00::1", &["[2001:db8::5]:80"]), "2001:db8::5");
        // What the client wrote itself stays to the left of what the proxies saw.
        assert_eq!(client("127.0.0.1", &["192.0.2.66, 203.0.113.1, 10.1.2.3"]), "203.0.113.1");
        assert_eq!(client("127.0.0.1", &["192.0.2.66", "203.0.113.1", "10.1.2.3"]), "203.0.113.1");
        assert_eq!(client("127.0.0.1", &["10.9.9.9,10.1.2.3"]), "10.9.9.9");
    }

    #[test]
    fn the_walk_ends_at_what_is_no_address() {
        assert_eq!(client("127.0.0.1", &["203.0.113.1, unknown, 10.1.2.3"]), "10.1.2.3");
        assert_eq!(client("127.0.0.1", &[""]), "127.0.0.1");
    }
}
