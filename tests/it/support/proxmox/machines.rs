//! Machines of the simulator, and what can be done with them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Answer, Call, Cluster, POOL, Task};

/// Looks at a fresh machine until its agent answers.
const AGENT_STARTS_AFTER: u32 = 3;
/// What may be written into a configuration.
const KEYS: [&str; 13] = [
    "cipassword",
    "ciuser",
    "cores",
    "description",
    "ipconfig0",
    "memory",
    "name",
    "nameserver",
    "net0",
    "onboot",
    "sockets",
    "sshkeys",
    "tags",
];

/// A machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vm {
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) pool: String,
    pub(crate) is_running: bool,
    is_template: bool,
    agent_looks: u32,
}

impl Vm {
    pub(super) fn template() -> Self {
        let config = [
            ("name", "debian-13"),
            ("boot", "order=ide2;scsi0;net0"),
            ("cores", "1"),
            ("memory", "1024"),
            ("agent", "1"),
            ("ide2", "local-zfs:vm-9000-cloudinit,media=cdrom,size=4M"),
            ("net0", "virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1"),
            ("scsi0", "local-zfs:base-9000-disk-0,discard=on,size=3072M"),
            ("template", "1"),
        ];
        let config = config.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        Self { config, pool: POOL.to_owned(), is_template: true, ..Self::default() }
    }

    pub(crate) fn of_somebody_else() -> Self {
        let config = BTreeMap::from([("name".to_owned(), "mail".to_owned())]);
        Self { config, pool: "other".to_owned(), is_running: true, ..Self::default() }
    }

    fn get(&self, key: &str) -> &str {
        self.config.get(key).map_or("", String::as_str)
    }

    pub(crate) fn name(&self) -> &str {
        self.get("name")
    }

    pub(super) fn resource(&self, vmid: u64) -> Value {
        let mut told = json!({
            "id": format!("qemu/{vmid}"), "type": "qemu", "vmid": vmid, "node": "pve1", "pool": self.pool,
            "status": if self.is_running { "running" } else { "stopped" }, "template": u8::from(self.is_template),
        });
        if !self.name().is_empty() {
            told["name"] = json!(self.name());
        }
        told
    }
}

impl Cluster {
    pub(super) fn answer_machine(&mut self, call: &Call) -> Answer {
        let id = call.vmid;
        if call.node != "pve1" {
            return Answer::error(595, "No route to host");
        }
        let right = match call.operation {
            "look" | "current" => "VM.Audit",
            "clone" => "VM.Clone",
            "configure" => "VM.Config.CPU",
            "resize" => "VM.Config.Disk",
            "agent" => "VM.Monitor",
            "delete" => "VM.Allocate",
            _ => "VM.PowerMgmt",
        };
        if let Some(refused) = self.lacks(&format!("/vms/{id}"), right) {
            return refused;
        }
        let Some(vm) = self.vms.get_mut(&id) else {
            let message = format!("Configuration file 'nodes/pve1/qemu-server/{id}.conf' does not exist");
            return Answer::error(500, &message);
        };
        let lock = vm.get("lock").to_owned();
        match call.operation {
            "look" => {
                let answer = Answer::ok(shown(vm));
                self.tick();
                answer
            }
            "current" => Answer::ok(json!({
                "vmid": id, "name": vm.name(), "status": if vm.is_running { "running" } else { "stopped" },
                "qmpstatus": if vm.is_running { "running" } else { "stopped" }, "cpus": 2, "cpu": 0.0534,
                "maxmem": 4_u64 << 30, "mem": 1_u64 << 30, "maxdisk": 40_u64 << 30, "uptime": 3725, "netin": 5_u64 << 30, "netout": 1 << 20,
            })),
            "agent" => agent(id, vm),
            _ if !lock.is_empty() => Answer::error(500, &format!("VM is locked ({lock})")),
            "clone" => self.begin_clone(call),
            "configure" => configure(vm, &call.fields),
            "start" if vm.is_running => Answer::error(500, &format!("VM {id} already running")),
            "shutdown" | "reboot" | "reset" if !vm.is_running => Answer::error(500, &format!("VM {id} not running")),
            "delete" if vm.is_running => Answer::error(500, &format!("VM {id} is running - destroy failed")),
            _ => self.spawn(call, 2),
        }
    }

    /// Somebody else makes a machine with the number that a request is about to take.
    pub(super) fn overtake(&mut self, call: &Call) {
        let id = call.fields["newid"].parse().unwrap();
        self.vms.insert(id, Vm::of_somebody_else());
    }

    /// The configuration is there at once, locked and without a name, and in no pool.
    fn begin_clone(&mut self, call: &Call) -> Answer {
        if let Some(refused) = self.lacks(&format!("/pool/{POOL}"), "VM.Allocate") {
            return refused;
        }
        let Some(Ok(id)) = call.fields.get("newid").map(|id| id.parse::<u64>()) else {
            return Answer::invalid("newid", "property is missing and it is not optional");
        };
        if self.vms.contains_key(&id) {
            return Answer::error(500, &format!("unable to create VM {id}: VM {id} already exists on node 'pve1'"));
        }
        let locked = Vm { config: [("lock".to_owned(), "clone".to_owned())].into(), ..Vm::default() };
        self.vms.insert(id, locked);
        self.spawn(call, 4)
    }

    /// What a task does in the end.
    pub(super) fn run(&mut self, task: &Task) -> Result<(), String> {
        let field = |name: &str| task.fields.get(name).cloned().unwrap_or_default();
        let is_full = self.is_full;
        if task.operation == "clone" {
            let id: u64 = field("newid").parse().unwrap();
            let mut config = self.vms[&task.vmid].config.clone();
            if is_full {
                self.vms.remove(&id);
                return Err("clone failed: zfs error: cannot create 'rpool/data/vm-disk-0': out of space".to_owned());
            }
            config.remove("template");
            config.insert("name".to_owned(), field("name"));
            config.insert("description".to_owned(), field("description"));
            config.insert("scsi0".to_owned(), format!("local-zfs:vm-{id}-disk-0,discard=on,size=3072M"));
            self.vms.insert(id, Vm { config, pool: field("pool"), ..Vm::default() });
            return Ok(());
        }
        let vm = self.vms.get_mut(&task.vmid).ok_or("no such VM")?;
        match task.operation {
            "resize" if is_full => return Err("zfs error: cannot set property for 'rpool': out of space".to_owned()),
            "resize" => {
                let old = vm.get(&field("disk")).to_owned();
                let rest = old.rsplit_once(",size=").map_or(old.as_str(), |(rest, _)| rest);
                vm.config.insert(field("disk"), format!("{rest},size={}", field("size")));
            }
            "start" | "reboot" | "reset" => {
                vm.is_running = true;
                vm.agent_looks = 0;
            }
            "stop" | "shutdown" => vm.is_running = false,
            "delete" => {
                self.vms.remove(&task.vmid);
            }
            other => return Err(format!("unknown task {other}")),
        }
        Ok(())
    }
}

fn shown(vm: &Vm) -> Value {
    let mut told = json!({ "digest": "0123456789abcdef" });
    for (key, value) in &vm.config {
        told[key] = match key.as_str() {
            "cipassword" => json!("**********"),
            "description" => json!(format!("{value}\n")),
            "cores" | "sockets" | "onboot" | "template" => json!(value.parse::<u64>().unwrap()),
            _ => json!(value),
        };
    }
    told
}

fn configure(vm: &mut Vm, fields: &BTreeMap<String, String>) -> Answer {
    if let Some(key) = fields.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Answer::invalid(
            key,
            "property is not defined in schema and the schema does not allow additional properties",
        );
    }
    let keys = fields.get("sshkeys").map_or("", String::as_str);
    if keys.contains([' ', '\n']) {
        return Answer::invalid("sshkeys", "invalid format - invalid urlencoded string");
    }
    vm.config.extend(fields.clone());
    Answer::ok(Value::Null)
}

fn agent(id: u64, vm: &mut Vm) -> Answer {
    if !vm.is_running {
        return Answer::error(500, &format!("VM {id} is not running"));
    }
    vm.agent_looks += 1;
    if vm.agent_looks < AGENT_STARTS_AFTER {
        return Answer::error(500, "QEMU guest agent is not running");
    }
    let address = |kind: &str, address: &str| json!({ "ip-address-type": kind, "ip-address": address, "prefix": 24 });
    Answer::ok(json!({ "result": [
        { "name": "lo", "hardware-address": "00:00:00:00:00:00", "ip-addresses": [address("ipv4", "127.0.0.1"), address("ipv6", "::1")] },
        { "name": "docker0", "hardware-address": "02:42:00:00:00:01" },
        { "name": "eth0", "hardware-address": "bc:24:11:00:00:01", "ip-addresses": [
            address("ipv6", "fe80::be24:11ff:fe00:1"), address("ipv6", "2001:db8::10"), address("ipv4", &format!("192.0.2.{}", id % 250)),
        ] },
    ] }))
}
