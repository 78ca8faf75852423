import { expect, test } from "@playwright/test";

test("the agent says Welcome", async ({ page }) => {
  await page.goto("/key.html");
  await expect.poll(() => page.evaluate("window.shown.at(-1).type")).toBe("Welcome");
});

test("the agent says Welcome in a context of the test's own", async ({ browser, baseURL }) => {
  const page = await browser.newPage({ baseURL });
  await page.goto("/inline_policy.html");
  await expect.poll(() => page.evaluate("window.shown.at(-1)?.type")).toBe("Welcome");
});
