import type { Result } from "../../harness/command.ts";
import type { Person } from "../../harness/person.ts";
import type { Runtime } from "./flow.ts";
import { image, Podman } from "./podman.ts";
import type { CallOptions, Scene } from "./scene.ts";

const uid = 61_000;
const home = "/home/guest";
const runtimeDirectory = `/run/user/${uid}`;

/** Makes the user, with ids to give to containers, and what a login leaves for it. */
const makeUser = `
set -e
echo guest:x:${uid}:${uid}::${home}:/bin/sh >> /etc/passwd
echo guest:x:${uid}: >> /etc/group
echo guest:700000:65536 > /etc/subuid
echo guest:700000:65536 > /etc/subgid
mkdir -p ${home} ${runtimeDirectory}
chown ${uid}:${uid} ${home} ${runtimeDirectory}
chmod 700 ${runtimeDirectory}
# As udev leaves it: everybody may make network devices in namespaces of one's own.
mknod -m 666 /run/tun c 10 200
mount --bind /run/tun /dev/net/tun
podman --runtime=runc save --quiet --output=/tmp/image.tar ${image}
chmod 644 /tmp/image.tar
`;

/** On a host of cgroup v2, what a login manager does: a group of the user's own, with the controllers. */
const delegateGroup = `
[ -e /sys/fs/cgroup/cgroup.controllers ] || exit 0
group=/sys/fs/cgroup/user-${uid}
mkdir -p $group/login
for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$controller" > $group/cgroup.subtree_control || true; done
chown -R ${uid}:${uid} $group
`;

/** Becomes the user as a login does: in the group, without any privilege. */
const becomeUser = `
group=/sys/fs/cgroup/user-${uid}/login
if [ -e $group ]; then echo $$ > $group/cgroup.procs; fi
exec setpriv --reuid=${uid} --regid=${uid} --clear-groups "$@"
`;

/** Adds the user to a scene, once. */
export async function addUser(scene: Scene): Promise<void> {
  await scene.succeed(["sh", "-c", makeUser]);
  await scene.succeed(["sh", "-c", delegateGroup]);
  await new UserPodman(scene, { name: "runc", path: "/usr/sbin/runc" }).print([
    "load",
    "--quiet",
    "--input=/tmp/image.tar",
  ]);
}

/** Podman as an ordinary user calls it. */
export class UserPodman extends Podman {
  /** The argument list of a call, program first. */
  override argv(args: readonly string[]): string[] {
    const variables = [`HOME=${home}`, `XDG_RUNTIME_DIR=${runtimeDirectory}`, "USER=guest"];
    return ["sh", "-c", becomeUser, "sh", "env", ...variables, ...super.argv(args)];
  }

  override async invoke(args: readonly string[], options: CallOptions = {}): Promise<Result> {
    return await super.invoke(args, { cwd: home, ...options });
  }

  override async print(args: readonly string[], options: CallOptions = {}): Promise<string> {
    return await super.print(args, { cwd: home, ...options });
  }

  override atTerminal(args: readonly string[], size = { rows: 24, columns: 80 }): Person {
    return this.scene.atTerminal(this.argv(args), { ...size, cwd: home });
  }
}

/** Opens Podman of the user with a runtime. */
export async function openUserPodman(scene: Scene, runtime: Runtime): Promise<UserPodman> {
  return new UserPodman(scene, runtime);
}
