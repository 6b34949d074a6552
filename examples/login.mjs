// node examples/login.mjs HOST USER PASSWORD FILE: saves a password that the registry accepts, uses it, and removes it.
import { login, logout } from "gantry";
import { userCredentials } from "gantry/config";
import { RemoteRegistry } from "gantry/registry";

const [host, username, password, file] = process.argv.slice(2);
const { where } = await login(host, { username, password, file });
const credentials = userCredentials({ REGISTRY_AUTH_FILE: file });
const registry = new RemoteRegistry(host, { credentials }); // read only if the registry asks for them
const { digest } = await registry.resolveManifest("app", "v1");
console.log(`${digest}, with the password in ${where}`);
await registry.close();
console.log(await logout(host, { file }));
