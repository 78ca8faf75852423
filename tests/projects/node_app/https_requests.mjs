// REST by Node's own https, in each form of its arguments.
import https, { get, request } from "node:https";
import { show } from "./show.cjs";

const token = process.argv[2];
const headers = { Authorization: `Token ${token}` };

function shown(response) {
  response.setEncoding("utf8");
  let body = "";
  response.on("data", (chunk) => (body += chunk));
  response.on("end", () => show(JSON.parse(body)));
}

get("https://agent.deepgram.com/v1/agent/settings/think/models", { headers }, shown);
get({ hostname: "api.eu.deepgram.com", path: "/v1/listen?model=nova-3", headers: Object.entries(headers).flat() }, shown);
https.get(new URL("https://api.deepgram.com/v1/projects"), { headers, agent: new https.Agent() }, shown);
request({ host: "api.deepgram.com", path: "/v1/speak", method: "POST", headers }, shown).end("Hello");
