"use strict";
// Playwright: each context that it makes or finds gets the init script, so that pages are redirected as well. It is told
// of contexts as Playwright's own test runner is; a wrapped method would stand in each error's place in a user's spec.

const fs = require("fs");

const BROWSER_TYPES = ["chromium", "firefox", "webkit"];

// As newer and older Chromiums name it.
const LOOPBACK_PERMISSIONS = ["loopback-network", "local-network-access"];

const listenedTo = new WeakSet();
const prepared = new WeakSet();
const sessions = new WeakMap();

function patch(playwright) {
  const instrumentation = playwright?.chromium?._instrumentation;
  if (!instrumentation || listenedTo.has(instrumentation) || script() === null) return;
  listenedTo.add(instrumentation);
  instrumentation.addListener({
    runBeforeCreateBrowserContext: withoutPolicy,
    runAfterCreateBrowserContext: prepare,
    onDidCreateBrowserContext: prepare, // until 1.45
  });
  const types = BROWSER_TYPES.map((name) => playwright[name]);
  for (const owner of [playwright.chromium._playwright, ...types]) withoutPolicyByDefault(owner);
}

/**
 * A page's policy names the vendor's addresses, not the gateway's; who makes a context with that option has its way.
 * The test runner adds the options of its configuration after this, where they are always set.
 */
async function withoutPolicy(options) {
  options.bypassCSP ??= true;
}

/** Older versions ask nobody before a context is made; they have defaults, of one browser or of all. */
function withoutPolicyByDefault(owner) {
  if (!owner) return;
  let options = owner._defaultContextOptions;
  const get = () => ({ ...options, bypassCSP: true });
  const set = (value) => (options = value);
  Object.defineProperty(owner, "_defaultContextOptions", { configurable: true, get, set });
}

async function prepare(context) {
  if (prepared.has(context)) return;
  prepared.add(context);
  await silently(context, () => context.addInitScript({ content: script() }));
  await silently(context, () => allowLoopback(context.browser())).catch(() => {});
}

/** Not as a step of the test's own. */
async function silently(context, call) {
  await (context._wrapApiCall ? context._wrapApiCall(call, { internal: true }) : call());
}

/**
 * Chromium asks its user before a page of the public network's may connect to this machine; other browsers don't.
 * Playwright's own way to grant a permission denies all others. What a session has granted ends with the session.
 */
async function allowLoopback(browser) {
  if (!sessions.has(browser)) sessions.set(browser, await browser.newBrowserCDPSession());
  const session = sessions.get(browser);
  const { browserContextIds } = await session.send("Target.getBrowserContexts");
  for (const browserContextId of browserContextIds) {
    for (const name of LOOPBACK_PERMISSIONS) {
      await session.send("Browser.setPermission", { permission: { name }, setting: "granted", browserContextId });
    }
  }
}

function script() {
  try {
    return fs.readFileSync(process.env.DGBUDGET_BROWSER_SCRIPT, "utf8");
  } catch {
    return null;
  }
}

module.exports = { patch };
