// A program whose requests a test answers itself, by undici's own mock.
import { MockAgent, setGlobalDispatcher } from "undici";
import { show } from "./show.cjs";

const agent = new MockAgent();
agent.disableNetConnect();
const request = { method: "POST", path: "/v1/auth/grant" };
agent.get("https://api.deepgram.com").intercept(request).reply(200, { access_token: "mocked" });
setGlobalDispatcher(agent);

show(await (await fetch("https://api.deepgram.com/v1/auth/grant", { method: "POST" })).json());
