import { html, nothing, type TemplateResult } from 'lit';
import { formatBytes, formatCount, formatDuration, formatRate } from '../../src/core/units.js';
import type { PanelRun } from '../../src/protocol/panel.js';
import { text } from '../../src/core/texts.js';

/** What was asked for, on which host, and what was changed there. */
export function specView(run: PanelRun): TemplateResult {
  const { spec, facts, plan } = run;
  const rows: [string, string][] = [
    [text('Run'), run.runId],
    [text('Connections'), spec.connections === 'max' ? text('as many as fit') : formatCount(spec.connections)],
    [text('Protocol'), spec.protocol],
    [text('Client'), spec.client],
    [text('Engine'), spec.engine],
    [text('Rate'), spec.rate === undefined ? text('as fast as possible') : formatRate(spec.rate)],
    [text('Hold'), formatDuration(spec.holdSeconds)],
    [text('Isolation'), plan?.isolation ?? spec.isolation],
  ];
  if (plan !== undefined) {
    rows.push(
      [text('Workers'), text('{0} server, {1} client', plan.serverWorkers.length, plan.clientWorkers.length)],
      [text('Largest run that fits'), text('{0}, {1} before tuning', formatCount(plan.largestFit.afterTuning), formatCount(plan.largestFit.beforeTuning))],
      [text('Predicted memory'), formatBytes(plan.predicted.totalBytes)],
    );
  }
  if (facts !== undefined) {
    rows.push(
      [text('Host'), `${facts.hostname}, ${facts.distribution}, ${facts.kernel} ${facts.architecture}`],
      [text('Cores and memory'), `${facts.cores}, ${formatBytes(facts.memory.totalBytes)}`],
      [
        text('File descriptors'),
        text('{0} soft, {1} hard, {2} when raised', formatCount(facts.nofile.soft), formatCount(facts.nofile.hard), formatCount(facts.nofile.raisable)),
      ],
      [text('Rights'), facts.privilege],
      ['Node', facts.nodeVersion],
    );
  }
  return html`
    <table class="facts">
      <caption class="visually-hidden">
        ${text('Run and host')}
      </caption>
      <tbody>
        ${rows.map(
          ([label, value]) =>
            html`<tr>
              <th scope="row">${label}</th>
              <td>${value}</td>
            </tr>`,
        )}
      </tbody>
    </table>
    ${
      plan === undefined || plan.notes.length === 0
        ? nothing
        : html`<ul class="notes">
            ${plan.notes.map((note) => html`<li>${note}</li>`)}
          </ul>`
    }
    ${
      plan === undefined || plan.sysctls.length === 0
        ? nothing
        : html`<details>
            <summary>${text('{0} kernel settings for this run', plan.sysctls.length)}</summary>
            <table>
              <thead>
                <tr>
                  <th scope="col">${text('Key')}</th>
                  <th scope="col">${text('Where')}</th>
                  <th scope="col">${text('Was')}</th>
                  <th scope="col">${text('Is set to')}</th>
                  <th scope="col">${text('Reason')}</th>
                </tr>
              </thead>
              <tbody>
                ${plan.sysctls.map(
                  (sysctl) =>
                    html`<tr>
                      <th scope="row">${sysctl.key}</th>
                      <td>${sysctl.scope === 'netns' ? text("the run's own namespace") : text('the whole host')}</td>
                      <td>${sysctl.current}</td>
                      <td>${sysctl.target}</td>
                      <td>${sysctl.reason}</td>
                    </tr>`,
                )}
              </tbody>
            </table>
          </details>`
    }
  `;
}
