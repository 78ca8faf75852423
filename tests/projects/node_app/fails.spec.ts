import { test } from "@playwright/test";

test("a mistake of the test's own", async ({ browser }) => {
  await browser.newContext({ viewport: "none" as never });
});
