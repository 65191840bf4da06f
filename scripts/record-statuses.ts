/**
 * Records test/fixtures/status anew: jobs, policies and windows live through every state on the embedded cluster.
 *   node scripts/record-statuses.ts [PART OF A STORY'S NAME]
 */
import { stories } from "../test/builders/status-stories.ts";
import { writeFixture } from "../test/fixtures/status/fixtures.ts";
import { startStage } from "../test/servers/status-stage.ts";

const [wanted = ""] = process.argv.slice(2);
const stage = await startStage();
try {
  for (const [i, story] of stories.entries()) {
    if (i === 1) await stage.startOperator();
    if (!story.name.includes(wanted)) continue;
    const started = performance.now();
    let kept = 0;
    await story.tell(stage, (moment) => {
      writeFixture(moment);
      kept += 1;
    });
    console.log(`${story.name}: ${kept} statuses in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  }
} finally {
  await stage.stop();
}
