//! Which addresses outbound requests may reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::core::error::{Error, Result};

/// The exceptions to the rule that special addresses are refused.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    allowed: Vec<IpNet>,
    /// Whether the exceptions count.
    opens: bool,
    is_special: fn(IpAddr) -> bool,
}

impl Policy {
    pub(super) fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed, opens: true, is_special }
    }

    /// The same without its exceptions, for places to which somebody outside of them leads.
    pub(super) fn closed(&self) -> Self {
        Self { opens: false, ..self.clone() }
    }

    /// Whether there is no exception that could be taken away.
    pub(super) fn has_no_exceptions(&self) -> bool {
        self.allowed.is_empty()
    }

    /// Whether an address may be reached by an exception only: it lies in a network of our own.
    pub(super) fn is_inside(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        (self.is_special)(address) && self.is_listed(address)
    }

    fn is_listed(&self, address: IpAddr) -> bool {
        self.allowed.iter().any(|network| network.contains(&address))
    }

    /// Refuses an address of a special range that the configuration does not list.
    pub(super) fn check(&self, address: IpAddr) -> Result<()> {
        // `::ffff:127.0.0.1` is 127.0.0.1.
        let address = address.to_canonical();
        if !(self.is_special)(address) || (self.opens && self.is_listed(address)) {
            return Ok(());
        }
        if self.is_listed(address) {
            let words = format!("a host outside of `plugins.allow_private` redirects to {address}, which lies in it");
            return Err(Error::denied("http.address", words).hint(
                "let the script ask that address itself, or have the redirect come from a host that is listed too",
            ));
        }
        Err(Error::denied("http.address", format!("{address} is a loopback, link-local or private address"))
            .hint("list its network in `plugins.allow_private` if plugins may reach it"))
    }
}

fn is_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_special_v4(address),
        IpAddr::V6(address) => is_special_v6(address),
    }
}

/// The special-purpose registry of RFC 6890, as far as something may answer there.
fn is_special_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        // Shared address space of carriers (RFC 6598).
        || (a == 100 && (64..128).contains(&b))
        // Benchmarking (RFC 2544) and protocol assignments (RFC 6890).
        || (a == 198 && (b == 18 || b == 19))
        || (a == 192 && b == 0)
        // Relays of 6to4 (RFC 7526).
        || (a == 192 && b == 88 && c == 99)
        // Where Azure answers its virtual machines, beside the link-local address.
        || address == Ipv4Addr::new(168, 63, 129, 16)
}

fn is_special_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        // Documentation, and the prefixes that carry an IPv4 address inside (NAT64, 6to4, Teredo).
        || (first == 0x2001 && (second == 0x0db8 || second == 0))
        || first == 0x2002
        // Site-local, deprecated and still routed in places (RFC 3879).
        || first & 0xffc0 == 0xfec0
        || (first == 0x64 && second == 0xff9b)
        || address.to_ipv4().is_some()
        // IPv4 behind a translator (RFC 2765), discarded (RFC 6666), documentation (RFC 9637), segments (RFC 9602).
        || matches!(address.segments(), [0, 0, 0, 0, 0xffff, 0, ..] | [0x100, 0, 0, 0, ..] | [0x5f00, ..])
        || (first == 0x3fff && second < 0x1000)
}

#[cfg(test)]
impl Policy {
    /// The same for a world in which other addresses are special: tests have no public address to listen at.
    pub(super) fn with_special(self, is_special: fn(IpAddr) -> bool) -> Self {
        Self { is_special, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_its_exceptions_a_policy_refuses_what_it_lists() {
        let policy = Policy::new(vec!["10.77.0.0/24".parse().unwrap(), "8.8.8.0/24".parse().unwrap()]);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let error = policy.closed().check(address("::ffff:10.77.0.5")).unwrap_err();
        assert!(error.to_string().contains("redirects to 10.77.0.5"), "{error}");
        assert!(policy.closed().check(address("8.8.8.8")).is_ok());
        assert!(policy.is_inside(address("::ffff:10.77.0.5")));
        assert!(!policy.is_inside(address("8.8.8.8")), "listed or not, everybody may reach it");
        assert!(!policy.is_inside(address("10.78.0.5")));
    }

    #[test]
    fn special_addresses_are_refused_unless_listed() {
        let policy = Policy::new(vec!["10.77.0.0/24".parse().unwrap()]);
        for refused in [
            "127.0.0.1",
            "169.254.169.254",
            "10.0.0.1",
            "192.168.1.1",
            "172.16.0.1",
            "0.0.0.0",
            "100.64.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "fec0::1",
            "::ffff:0:127.0.0.1",
            "100::1",
            "3fff:1::1",
            "5f00::1",
            "192.88.99.1",
            "168.63.129.16",
            "255.255.255.255",
            "224.0.0.1",
        ] {
            assert!(policy.check(refused.parse().unwrap()).is_err(), "{refused}");
        }
        for allowed in ["10.77.0.5", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "::ffff:10.77.0.9", "4000::1"] {
            assert!(policy.check(allowed.parse().unwrap()).is_ok(), "{allowed}");
        }
    }
}
