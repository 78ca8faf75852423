// A context of each way in which Playwright's library makes or finds one.
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { chromium } from "playwright";
import { show } from "./show.cjs";

const { APPLICATION, CHROMIUM: executablePath } = process.env;
const [way] = process.argv.slice(2);

async function showPage(page) {
  await page.goto(`${APPLICATION}/inline_policy.html`);
  await page.waitForFunction("window.shown.length >= 1");
  show(await page.evaluate("window.shown[0]"));
}

async function debugged() {
  const directory = await mkdtemp(path.join(tmpdir(), "chromium-"));
  const running = await chromium.launchPersistentContext(directory, { executablePath, args: ["--remote-debugging-port=0"] });
  const [port] = (await readFile(path.join(directory, "DevToolsActivePort"), "utf8")).split("\n");
  return { running, port };
}

const ways = {
  async launch() {
    const browser = await chromium.launch({ executablePath });
    await showPage(await browser.newPage());
    await showPage(await (await browser.newContext()).newPage());
    await browser.close();
  },
  async "from the public network"() {
    const args = [`--ip-address-space-overrides=127.0.0.1:${new URL(APPLICATION).port}=public`];
    const browser = await chromium.launch({ executablePath, args });
    await showPage(await browser.newPage());
    await browser.close();
  },
  async launchPersistentContext() {
    const context = await chromium.launchPersistentContext("", { executablePath });
    await showPage(context.pages()[0]);
    await context.close();
  },
  async connect() {
    const server = await chromium.launchServer({ executablePath });
    const browser = await chromium.connect(server.wsEndpoint());
    await showPage(await browser.newPage());
    await browser.close();
    await server.close();
  },
  async connectOverCDP() {
    const { running, port } = await debugged();
    const browser = await chromium.connectOverCDP(`http://127.0.0.1:${port}`);
    await showPage(await (await browser.newContext()).newPage());
    const page = await browser.contexts()[0].newPage();
    await page.goto(`${APPLICATION}/key.html`);
    await page.waitForFunction("window.shown.length >= 2");
    show(await page.evaluate("window.shown[1]"));
    await browser.close();
    await running.close();
  },
};

await ways[way]();
