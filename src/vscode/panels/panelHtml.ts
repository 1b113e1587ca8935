import { randomBytes } from 'node:crypto';
import { htmlText } from '../../core/foreignText.js';
import { Uri, type Webview } from 'vscode';

/** A page that loads the dashboard bundle and nothing else: no inline script or style, no network. */
export function panelHtml(webview: Webview, assets: Uri, title: string, language: string): string {
  const nonce = randomBytes(16).toString('base64');
  const script = webview.asWebviewUri(Uri.joinPath(assets, 'main.js')).toString();
  const style = webview.asWebviewUri(Uri.joinPath(assets, 'main.css')).toString();
  const policy = `default-src 'none'; img-src ${webview.cspSource} data: blob:; style-src ${webview.cspSource}; font-src ${webview.cspSource}; script-src 'nonce-${nonce}';`;
  return `<!DOCTYPE html>
<html lang="${htmlText(language)}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${htmlText(title)}</title>
<link rel="stylesheet" href="${style}">
</head>
<body>
<main id="root"></main>
<script type="module" nonce="${nonce}" src="${script}"></script>
</body>
</html>`;
}
