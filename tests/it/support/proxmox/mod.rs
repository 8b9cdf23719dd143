//! A simulator of the Proxmox VE API, since no hypervisor runs on a test machine: over a real TLS socket, written from
//! the published API (`pvesh`, the API viewer) and from what its errors look like. It keeps what was made, so that tests
//! can count machines.

mod machines;
mod wire;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use serde_json::{Value, json};

pub(crate) use machines::Vm;

/// The token that the cluster knows.
pub(crate) const TOKEN_ID: &str = "rustbill@pve!shop";
pub(crate) const TOKEN_SECRET: &str = "11111111-2222-4333-8444-555555555555";
/// The pool on which the token has its rights; it sees nothing else.
pub(crate) const POOL: &str = "shop";
/// The template of Debian 13, with a disk of 3 GB.
pub(crate) const TEMPLATE: u64 = 9000;
/// A machine of somebody else, which the token does not see.
pub(crate) const STRANGER: u64 = 10000;
/// Everything that the documentation tells to give.
const RIGHTS: [&str; 13] = [
    "Datastore.AllocateSpace",
    "SDN.Use",
    "VM.Allocate",
    "VM.Audit",
    "VM.Clone",
    "VM.Config.CPU",
    "VM.Config.Cloudinit",
    "VM.Config.Disk",
    "VM.Config.Memory",
    "VM.Config.Network",
    "VM.Config.Options",
    "VM.Monitor",
    "VM.PowerMgmt",
];

/// What goes wrong with one request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The work is done, and the connection ends without an answer.
    Drop,
    /// Nothing is done, and this is answered.
    Refuse(u16, &'static str),
    /// The answer takes its time.
    Slow(Duration),
    /// Somebody else takes the number that is asked for a moment earlier.
    Overtake,
}

/// An answer: the status, the reason beside it, and the body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) body: Value,
}

impl Answer {
    fn ok(data: Value) -> Self {
        let body = [("data".to_owned(), data)].into_iter().collect();
        Self { status: 200, reason: "OK".to_owned(), body: Value::Object(body) }
    }

    /// As version 8 does it: the message stands in the status line and in the body.
    fn error(status: u16, message: &str) -> Self {
        let body = json!({ "data": null, "message": format!("{message}\n") });
        Self { status, reason: message.to_owned(), body }
    }

    fn invalid(field: &str, message: &str) -> Self {
        let words = "Parameter verification failed.";
        let body = json!({ "data": null, "errors": { field: message }, "message": format!("{words}\n") });
        Self { status: 400, reason: words.to_owned(), body }
    }
}

/// A request that is known.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) operation: &'static str,
    pub(crate) node: String,
    pub(crate) vmid: u64,
    pub(crate) fields: BTreeMap<String, String>,
}

/// Something that takes a while.
#[derive(Debug)]
pub(crate) struct Task {
    upid: String,
    operation: &'static str,
    vmid: u64,
    fields: BTreeMap<String, String>,
    /// How often somebody must look until it ends.
    looks: u32,
    /// How it ended.
    exit: Option<String>,
}

/// What there is.
#[derive(Default)]
pub(crate) struct Cluster {
    pub(crate) vms: BTreeMap<u64, Vm>,
    tasks: Vec<Task>,
    rights: Vec<&'static str>,
    faults: BTreeMap<&'static str, VecDeque<Fault>>,
    held: Vec<&'static str>,
    /// The storage takes nothing more.
    pub(crate) is_full: bool,
    /// The operations that were asked for, in their order.
    pub(crate) calls: Vec<&'static str>,
}

/// The cluster and its socket.
pub(crate) struct Proxmox {
    pub(crate) url: String,
    /// SHA-256 of its certificate.
    pub(crate) fingerprint: String,
    cluster: Arc<Mutex<Cluster>>,
}

impl Proxmox {
    /// One node with a template and a stranger's machine.
    pub(crate) async fn start() -> Self {
        let mut cluster = Cluster { rights: RIGHTS.to_vec(), ..Cluster::default() };
        cluster.vms.insert(TEMPLATE, Vm::template());
        cluster.vms.insert(STRANGER, Vm::of_somebody_else());
        let cluster = Arc::new(Mutex::new(cluster));
        let (url, fingerprint) = wire::listen(Arc::clone(&cluster)).await;
        Self { url, fingerprint, cluster }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap()
    }

    /// The settings of an interface that use it.
    pub(crate) fn settings(&self) -> Value {
        json!({
            "api_url": self.url, "token_id": TOKEN_ID, "token_secret": TOKEN_SECRET, "fingerprint": self.fingerprint,
            "templates": [{ "os": "debian-13", "vmid": TEMPLATE }], "storage": "local-zfs", "pool": POOL,
            "ci_user": "debian", "vmid_min": STRANGER, "vmid_max": 10050,
        })
    }

    /// The next request of this kind goes wrong.
    pub(crate) fn fail_next(&self, operation: &'static str, fault: Fault) {
        self.lock().faults.entry(operation).or_default().push_back(fault);
    }

    /// Tasks of this kind do not end until they are released.
    pub(crate) fn hold(&self, operation: &'static str) {
        self.lock().held.push(operation);
    }

    pub(crate) fn release(&self) {
        self.lock().held.clear();
    }

    /// The node dies under its tasks of this kind and comes back: what they began stays as it is.
    pub(crate) fn break_off(&self, operation: &str) {
        for task in self.lock().tasks.iter_mut().filter(|task| task.operation == operation && task.exit.is_none()) {
            task.exit = Some("unexpected status".to_owned());
        }
    }

    /// Takes a right away.
    pub(crate) fn revoke(&self, right: &str) {
        self.lock().rights.retain(|known| *known != right);
    }

    /// How often this was asked for.
    pub(crate) fn count(&self, operation: &str) -> usize {
        self.lock().calls.iter().filter(|call| **call == operation).count()
    }

    /// The machines that were made, with their numbers.
    pub(crate) fn machines(&self) -> Vec<(u64, Vm)> {
        let ours = |(vmid, _): &(&u64, &Vm)| **vmid != TEMPLATE && **vmid != STRANGER;
        self.lock().vms.iter().filter(ours).map(|(vmid, vm)| (*vmid, vm.clone())).collect()
    }
}

impl Cluster {
    /// What goes wrong with this request, once.
    fn fault(&mut self, operation: &'static str) -> Option<Fault> {
        self.calls.push(operation);
        self.faults.get_mut(operation)?.pop_front()
    }

    /// A right that is missing, as the server says it.
    fn lacks(&self, path: &str, right: &str) -> Option<Answer> {
        let message = format!("Permission check failed ({path}, {right})");
        (!self.rights.contains(&right)).then(|| Answer::error(403, &message))
    }

    fn answer(&mut self, call: &Call) -> Answer {
        match call.operation {
            "version" => Answer::ok(json!({ "version": "8.2.4", "release": "8.2", "repoid": "faa83925c9641325" })),
            "permissions" => {
                let path = call.fields.get("path").cloned().unwrap_or_default();
                let given: BTreeMap<&str, u8> = self.rights.iter().map(|right| (*right, 1)).collect();
                Answer::ok(json!({ path: given }))
            }
            "resources" => {
                self.tick();
                Answer::ok(self.resources())
            }
            "nextid" => {
                self.tick();
                match call.fields.get("vmid").map(|id| id.parse::<u64>()) {
                    Some(Ok(id)) if !self.vms.contains_key(&id) => Answer::ok(json!(id.to_string())),
                    Some(Ok(id)) => Answer::invalid("vmid", &format!("VM {id} already exists")),
                    _ => Answer::invalid("vmid", "type check ('integer') failed"),
                }
            }
            "task" => {
                self.tick();
                self.task_status(&call.fields["upid"])
            }
            _ => self.answer_machine(call),
        }
    }

    fn resources(&self) -> Value {
        let mut all = vec![
            json!({ "id": "node/pve1", "type": "node", "node": "pve1", "status": "online", "mem": 8_u64 << 30, "maxmem": 64_u64 << 30, "cpu": 0.05, "maxcpu": 16 }),
            json!({ "id": "node/pve2", "type": "node", "node": "pve2", "status": "offline" }),
            json!({ "id": "storage/pve1/local-zfs", "type": "storage", "node": "pve1", "storage": "local-zfs", "status": "available", "disk": 10_u64 << 30, "maxdisk": 900_u64 << 30 }),
        ];
        let seen = self.vms.iter().filter(|(_, vm)| vm.pool == POOL && self.rights.contains(&"VM.Audit"));
        all.extend(seen.map(|(vmid, vm)| vm.resource(*vmid)));
        json!(all)
    }

    fn task_status(&self, upid: &str) -> Answer {
        let Some(task) = self.tasks.iter().find(|task| task.upid == upid) else {
            return Answer::error(400, "unable to parse worker upid");
        };
        let mut told = json!({
            "upid": task.upid, "node": "pve1", "id": task.vmid.to_string(), "type": task.operation, "user": "rustbill@pve",
            "tokenid": "shop", "pid": 4711, "starttime": 1_700_000_000, "status": "running",
        });
        if let Some(exit) = &task.exit {
            told["status"] = json!("stopped");
            told["exitstatus"] = json!(exit);
        }
        Answer::ok(told)
    }

    /// Begins a task and answers with its name.
    fn spawn(&mut self, call: &Call, looks: u32) -> Answer {
        let number = self.tasks.len();
        let upid = format!("UPID:pve1:{number:08X}:00A1B2C3:65F0A1B2:{}:{}:{TOKEN_ID}:", call.operation, call.vmid);
        self.tasks.push(Task {
            upid: upid.clone(),
            operation: call.operation,
            vmid: call.vmid,
            fields: call.fields.clone(),
            looks,
            exit: None,
        });
        Answer::ok(json!(upid))
    }

    /// Time passes when somebody looks.
    fn tick(&mut self) {
        let mut tasks = std::mem::take(&mut self.tasks);
        let held = self.held.clone();
        for task in tasks.iter_mut().filter(|task| task.exit.is_none() && !held.contains(&task.operation)) {
            task.looks = task.looks.saturating_sub(1);
            if task.looks == 0 {
                task.exit = Some(self.run(task).err().unwrap_or_else(|| "OK".to_owned()));
            }
        }
        self.tasks = tasks;
    }
}
