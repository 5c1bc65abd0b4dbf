/** The page to chat in. It works for a keyboard and a screen reader first; the script only shows and hides. */
export function pageMarkup ({ style, script }: { style: string, script: string }): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<meta name="color-scheme" content="light dark">
<title>Portcullis demo chat</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<noscript><p class="notice">This page needs JavaScript.</p></noscript>

<main id="door" hidden>
  <h1>Demo chat</h1>
  <p class="quiet">A small chat server behind the Portcullis gateway. It only repeats what you say.</p>
  <div id="door-notice" class="notice" role="alert" hidden></div>
  <form id="door-form">
    <label id="name-row" hidden>Name
      <input id="name" name="name" autocomplete="name" maxlength="80"></label>
    <label>E-mail
      <input id="email" name="email" type="email" autocomplete="username" required maxlength="254"></label>
    <label>Password
      <input id="password" name="password" type="password" autocomplete="current-password"
        required minlength="8" maxlength="128"></label>
    <button id="door-submit" class="primary">Sign in</button>
  </form>
  <div class="row">
    <button id="door-switch" type="button" class="plain">Create an account</button>
    <button id="door-demo" type="button" class="plain" hidden>Fill in the demo account</button>
  </div>
</main>

<div id="room" hidden>
  <header>
    <h1>Demo chat</h1>
    <span id="who" class="quiet"></span>
    <button id="new-chat" type="button">New chat</button>
    <button id="sign-out" type="button">Sign out</button>
  </header>
  <nav aria-label="Conversations">
    <details id="chats"><summary>Conversations</summary><ul id="chat-list"></ul></details>
  </nav>
  <main aria-label="Conversation">
    <div id="log" role="log" aria-live="polite" tabindex="0" aria-label="Messages"></div>
    <div id="notice" class="notice" role="alert" hidden></div>
    <form id="composer">
      <label for="text" class="unseen">Message</label>
      <textarea id="text" rows="2" placeholder="Say something. “long” or “[slow:20]” makes the answer last."
        maxlength="20000"></textarea>
      <div class="row">
        <label class="button" for="file">Attach a file</label>
        <input id="file" type="file" class="unseen">
        <span class="grow"></span>
        <button id="stop" type="button" hidden>Stop</button>
        <button id="send" class="primary">Send</button>
      </div>
    </form>
  </main>
</div>
<script>${script}</script>
</body>
</html>
`
}
