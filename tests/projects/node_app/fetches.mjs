// REST by fetch, in each form of its arguments.
import { show } from "./show.cjs";

const token = process.argv[2];
const headers = { Authorization: `Bearer ${token}` };

show(await (await fetch("https://agent.deepgram.com/v1/agent/settings/think/models", { headers })).json());
show(await (await fetch(new URL("https://api.deepgram.com/v1/listen?a=1"), { headers, method: "POST", body: "x" })).json());
const request = new Request("https://api.deepgram.com/v1/speak", { method: "POST", body: "Hello", headers });
show(await (await fetch(request)).json());
