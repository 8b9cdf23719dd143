//! LXD, whose API is that of Incus: a daemon of the tests' own with a network, a storage pool and images, which costs a
//! second and needs nothing from the internet.
//!
//! A shell runs it and stops it when the tests end, in whatever way they end: it removes the machines, the bridge and
//! every process that is left. All names and addresses are made up, so that several runs do not meet.

use std::{
    io::Write as _,
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, symlink},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
};

use rcgen::{CertificateParams, KeyPair};
use rustbill::core::id::Id;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::wait;

/// The image that a machine is made of in a moment: a busybox that asks for an address.
pub(crate) const IMAGE: &str = "tiny";
/// The same with this many bytes beside it, so that making a machine of it takes a while.
const LARGE_BYTES: usize = 150_000_000;
/// Attempts to find a free port, or a free network.
const ATTEMPTS: usize = 20;

/// What runs LXD and cleans up after it. `kill` and `start` are what a test may ask for; the end of its input is the end.
const SUPERVISOR: &str = r#"
    start() { lxd --logfile "$LXD_DIR/lxd.log" >>"$LXD_DIR/out" 2>&1 & server=$!; }
    answers() { lxc query /1.0 >/dev/null 2>&1; }
    start
    while read -r word; do
        case $word in
            kill) kill -9 "$server"; wait "$server" 2>/dev/null ;;
            start) start ;;
        esac
    done
    kill -0 "$server" 2>/dev/null || start
    for _ in $(seq 100); do answers && break; sleep 0.1; done
    for name in $(lxc list --format csv --columns n); do lxc delete --force "$name"; done
    lxc profile device remove default eth0
    lxc network delete "$BRIDGE"
    kill "$server"
    for _ in $(seq 50); do kill -0 "$server" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$server" 2>/dev/null
    # Whatever else names the directory of this run: a monitor of a container, a dnsmasq.
    for line in /proc/[0-9]*/cmdline; do
        if tr '\0' ' ' <"$line" 2>/dev/null | grep -qF "$LXD_DIR/"; then
            pid=${line#/proc/}; kill -9 "${pid%/cmdline}" 2>/dev/null
        fi
    done
    ip link delete "$BRIDGE" 2>/dev/null
    grep -F " $LXD_DIR/" /proc/self/mounts | cut -d' ' -f2 | sort -r | while read -r place; do umount -l "$place"; done
    rm -rf "$TOP"
"#;

/// A client certificate of its own.
pub(crate) struct ClientCertificate {
    pub(crate) cert_pem: String,
    pub(crate) key_pem: String,
}

impl ClientCertificate {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["rustbill".to_owned()]).unwrap().self_signed(&key).unwrap();
        Self { cert_pem: certificate.pem(), key_pem: key.serialize_pem() }
    }
}

/// A running daemon.
pub(crate) struct Lxd {
    top: PathBuf,
    port: u16,
    pub(crate) trusted: ClientCertificate,
    pub(crate) bridge: String,
    supervisor: Mutex<Child>,
}

impl Lxd {
    /// The one that most tests share.
    pub(crate) async fn shared() -> &'static Self {
        static SERVER: OnceCell<Lxd> = OnceCell::const_new();
        SERVER.get_or_init(Self::start).await
    }

    /// One that may be killed.
    pub(crate) async fn start() -> Self {
        check_machine();
        let top = TempDir::new().unwrap().keep();
        // Users of the containers pass through it.
        std::fs::set_permissions(&top, std::fs::Permissions::from_mode(0o711)).unwrap();
        std::fs::create_dir(top.join("lxd")).unwrap();
        let unique = Id::generate().uuid().simple().to_string();
        // Interfaces have names of at most 15 characters.
        let bridge = format!("rb{}", &unique[unique.len() - 10..]);
        let supervisor = Command::new("sh")
            .args(["-c", SUPERVISOR])
            .env("TOP", &top)
            .env("LXD_DIR", top.join("lxd"))
            .env("LXD_CONF", top.join("client"))
            .env("BRIDGE", &bridge)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C ends the tests, and their end is what stops the server.
            .process_group(0)
            .spawn()
            .unwrap();
        let mut server =
            Self { top, port: 0, trusted: ClientCertificate::new(), bridge, supervisor: Mutex::new(supervisor) };
        server.until_it_answers().await;
        server.set_up();
        server
    }

    pub(crate) async fn until_it_answers(&self) {
        wait::until("LXD answers", async || self.lxc(&["query", "/1.0"]).is_ok()).await;
    }

    fn tell(&self, word: &str) {
        let mut supervisor = self.supervisor.lock().unwrap();
        writeln!(supervisor.stdin.as_mut().unwrap(), "{word}").unwrap();
    }

    /// Kills the daemon, as a crash would; its containers go on.
    pub(crate) async fn kill(&self) {
        self.tell("kill");
        wait::until("LXD is gone", async || self.lxc(&["query", "/1.0"]).is_err()).await;
    }

    /// Starts it again.
    pub(crate) async fn start_again(&self) {
        self.tell("start");
        self.until_it_answers().await;
    }

    /// Runs the client. Its words are the error.
    pub(crate) fn lxc(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new("lxc")
            .args(arguments)
            .env("LXD_DIR", self.top.join("lxd"))
            .env("LXD_CONF", self.top.join("client"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn must(&self, arguments: &[&str]) -> String {
        self.lxc(arguments).unwrap_or_else(|error| panic!("lxc {arguments:?}: {error}"))
    }

    /// What the API answers at a path; null for what is not there.
    pub(crate) fn query(&self, path: &str) -> Value {
        self.lxc(&["query", path]).map_or(Value::Null, |answer| serde_json::from_str(&answer).unwrap())
    }

    /// The names of all machines.
    pub(crate) fn machines(&self) -> Vec<String> {
        let list = self.must(&["list", "--format", "csv", "--columns", "n"]);
        list.lines().map(str::to_owned).collect()
    }

    /// Whether the disk of a machine was filled, as the daemon has it: it notes then what is to be done at the first start.
    pub(crate) fn is_complete(&self, name: &str) -> bool {
        let config = &self.query(&format!("/1.0/instances/{name}"))["config"];
        ["volatile.apply_template", "volatile.last_state.power"].iter().any(|key| config[key].is_string())
    }

    fn set_up(&mut self) {
        self.port = (0..ATTEMPTS)
            .find_map(|_| {
                let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
                let address = format!("127.0.0.1:{port}");
                self.lxc(&["config", "set", "core.https_address", &address]).ok().map(|_| port)
            })
            .expect("LXD finds a free port");
        self.must(&["storage", "create", "default", "dir"]);
        self.must(&["profile", "device", "add", "default", "root", "disk", "path=/", "pool=default"]);
        let made = (0..ATTEMPTS).find(|_| {
            let [.., high, low] = *Id::generate().uuid().as_bytes();
            let address = format!("ipv4.address=10.{}.{low}.1/24", 64 + high % 128);
            let more = ["ipv4.nat=false", "ipv4.firewall=false", "ipv6.address=none"];
            self.lxc(&[&["network", "create", &self.bridge, &address], &more[..]].concat()).is_ok()
        });
        assert!(made.is_some(), "LXD makes a network");
        let network = format!("network={}", self.bridge);
        self.must(&["profile", "device", "add", "default", "eth0", "nic", &network, "name=eth0"]);
        self.trust(&self.trusted);
        self.import(IMAGE, 0);
    }

    pub(crate) fn trust(&self, certificate: &ClientCertificate) {
        let file = self.top.join(format!("{}.crt", Id::generate()));
        std::fs::write(&file, &certificate.cert_pem).unwrap();
        self.must(&["config", "trust", "add", &file.display().to_string()]);
    }

    /// An image of which making a machine takes a while.
    pub(crate) fn import_large(&self, alias: &str) {
        self.import(alias, LARGE_BYTES);
    }

    fn import(&self, alias: &str, more: usize) {
        let place = self.top.join(format!("image-{alias}"));
        write_image(&place, more);
        let file = self.top.join(format!("{alias}.tar"));
        let packed =
            Command::new("tar").arg("-C").arg(&place).arg("-cf").arg(&file).args(["metadata.yaml", "rootfs"]).status();
        assert!(packed.unwrap().success());
        self.must(&["image", "import", &file.display().to_string(), "--alias", alias]);
        std::fs::remove_dir_all(place).unwrap();
        std::fs::remove_file(file).unwrap();
    }

    /// The settings of an interface for this server.
    pub(crate) fn config(&self) -> Value {
        json!({
            "api_url": format!("https://127.0.0.1:{}", self.port),
            "cert_pem": self.trusted.cert_pem,
            "key_pem": self.trusted.key_pem,
            "server_fingerprint": self.fingerprint(),
            "image": IMAGE,
        })
    }

    pub(crate) fn fingerprint(&self) -> String {
        use rustls::pki_types::{CertificateDer, pem::PemObject as _};
        let pem = std::fs::read(self.top.join("lxd/server.crt")).unwrap();
        hex::encode(Sha256::digest(CertificateDer::from_pem_slice(&pem).unwrap()))
    }
}

/// What is missing here, said before anything else fails because of it.
fn check_machine() {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    assert!(is_root, "LXD needs root: run the tests of provider-incus as root, as continuous integration does");
    for program in ["lxd", "lxc", "dnsmasq", "nft", "ip", "tar"] {
        let found = Command::new("sh").args(["-c", "command -v \"$0\"", program]).stdout(Stdio::null()).status();
        assert!(found.unwrap().success(), "`{program}` is missing; `make setup` installs it");
    }
    let is_dynamic = Command::new("ldd").arg("/bin/busybox").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let is_there = Path::new("/bin/busybox").exists() && !is_dynamic.unwrap().success();
    assert!(is_there, "busybox-static is missing; `make setup` installs it");
}

/// A system of one program. Its user database can't be read by a static program, so `chpasswd` keeps what it is told.
fn write_image(place: &Path, more: usize) {
    let write = |path: &str, text: &str| {
        let file = place.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    for directory in ["dev", "proc", "sys", "tmp", "root", "var/run", "sbin", "opt"] {
        std::fs::create_dir_all(place.join("rootfs").join(directory)).unwrap();
    }
    write(
        "metadata.yaml",
        &format!(
            "architecture: {}\ncreation_date: 1700000000\nproperties:\n  description: Busybox <tiny>\n",
            std::env::consts::ARCH
        ),
    );
    write("rootfs/etc/inittab", "::respawn:/sbin/udhcpc -i eth0 -f -s /usr/share/udhcpc/default.script\n");
    write("rootfs/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
    write("rootfs/bin/chpasswd", "#!/bin/sh\ncat >/root/password\n");
    write(
        "rootfs/usr/share/udhcpc/default.script",
        "#!/bin/sh\ncase $1 in bound|renew) ifconfig $interface $ip netmask $subnet ;; esac\nexit 0\n",
    );
    std::fs::copy("/bin/busybox", place.join("rootfs/bin/busybox")).unwrap();
    for name in ["sh", "ls", "ps", "cat", "sleep", "ip", "ifconfig", "printf"] {
        symlink("busybox", place.join("rootfs/bin").join(name)).unwrap();
    }
    for name in ["init", "udhcpc"] {
        symlink("/bin/busybox", place.join("rootfs/sbin").join(name)).unwrap();
    }
    for part in 0..more / 1_000_000 {
        std::fs::write(place.join(format!("rootfs/opt/{part}")), vec![b'x'; 1_000_000]).unwrap();
    }
}
