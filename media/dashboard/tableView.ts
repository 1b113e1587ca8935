import { html, nothing, type TemplateResult } from 'lit';

/** Rows under a head; the first cell of each names it. `name` is for those who look for the table. */
export function tableView(
  head: readonly string[],
  rows: readonly { label: string; values: readonly string[] }[],
  options: { caption?: string; className?: string; name?: string } = {},
): TemplateResult {
  return html`<table class=${options.className ?? nothing} data-c10m=${options.name ?? nothing}>
    ${
      options.caption === undefined
        ? nothing
        : html`<caption>
            ${options.caption}
          </caption>`
    }
    <thead>
      <tr>
        ${head.map((title) => html`<th scope="col">${title}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        (row) =>
          html`<tr>
            <th scope="row">${row.label}</th>
            ${row.values.map((value) => html`<td>${value}</td>`)}
          </tr>`,
      )}
    </tbody>
  </table>`;
}
