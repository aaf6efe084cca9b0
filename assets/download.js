/* A long file: how much of it is here, and a way to stop. Short ones, and browsers without streams,
 * follow the plain link. The bytes are those of the link; a file that breaks off is never saved.
 */
(function () {
  'use strict';
  var LONG = 20000;  // rows
  var number = new Intl.NumberFormat('vi-VN');

  function size(bytes) {
    return bytes < 1e6 ? number.format(Math.ceil(bytes / 1e3)) + ' kB'
      : number.format(Math.round(bytes / 1e5) / 10) + ' MB';
  }
  function make(tag, name, words) {
    var one = document.createElement(tag);
    one.className = name;
    if (words) one.textContent = words;
    return one;
  }

  /* The panel stays while pages come and go: it hangs on the body. */
  function panel(title, rows, counted, stop) {
    var box = make('section', 'transfer');
    box.setAttribute('aria-label', 'Tải tệp');
    var name = make('strong', 'transfer-name', title);
    var bar = make('progress', 'transfer-bar');
    bar.max = rows;
    if (counted) bar.value = 0;  // else it only says that something comes
    bar.setAttribute('aria-label', 'Số dòng đã tải');
    var told = make('p', 'transfer-told', 'Đang chuẩn bị…');
    told.setAttribute('role', 'status');
    var button = make('button', 'button', 'Dừng tải');
    button.type = 'button';
    button.addEventListener('click', stop);
    box.append(name, bar, told, button);
    document.body.append(box);
    return {
      box: box,
      at: function (seen, bytes) {
        if (counted) bar.value = Math.min(seen, rows);
        told.textContent = (seen ? number.format(seen) + '/' + number.format(rows) + ' dòng · ' : '')
          + size(bytes);
      },
      end: function (state, words) {
        box.dataset.state = state;
        told.textContent = words;
        bar.hidden = true;
        button.textContent = 'Đóng';
        button.removeEventListener('click', stop);
        button.addEventListener('click', function () { box.remove(); });
      }
    };
  }

  function lines(bytes) {  // line ends in a chunk
    var many = 0;
    for (var at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) many += 1;
    return many;
  }
  function named(reply, link) {
    var said = /filename="([^"]+)"/.exec(reply.headers.get('Content-Disposition') || '');
    return said ? said[1] : new URL(link.href).pathname.split('/').pop();
  }
  function refused(reply) {
    var wait = Number(reply.headers.get('Retry-After'));
    var again = wait ? ' Thử lại sau ' + Math.max(1, Math.ceil(wait / 60)) + ' phút.' : '';
    return reply.json().then(function (problem) { return problem.detail || ''; }, function () { return ''; })
      .then(function (detail) {
        if (!detail) detail = {
          413: 'Quá nhiều dòng cho một tệp: hãy lọc hẹp hơn.',
          429: 'Đã tải quá nhiều trong thời gian ngắn.',
          401: 'Phiên đã hết: hãy đăng nhập lại.',
          403: 'Tài khoản này không được tải tệp.'
        }[reply.status] || 'Hệ thống không trả được tệp (mã ' + reply.status + ').';
        throw new Error(detail + again);
      });
  }
  function save(name, blob) {
    var link = make('a', '');
    link.href = URL.createObjectURL(blob);
    link.download = name;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(function () { URL.revokeObjectURL(link.href); }, 60000);
  }

  var running = 0;
  window.addEventListener('beforeunload', function (event) {  // leaving the site would stop it
    if (running) event.preventDefault();
  });

  function fetched(link, rows) {
    var control = new AbortController();
    var csv = /\.csv$/.test(new URL(link.href).pathname);
    var shown = panel(link.textContent, rows, csv, function () { control.abort(); });
    var parts = [], bytes = 0, seen = -1, drawn = 0, name = '';  // the head is a line, not a row

    function read(reader) {
      return reader.read().then(function (chunk) {
        if (chunk.done) return;
        parts.push(new Blob([chunk.value]));  // a blob may lie on the disk, an array may not
        bytes += chunk.value.length;
        if (csv) seen += lines(chunk.value);
        if (Date.now() - drawn > 200) { drawn = Date.now(); shown.at(Math.max(0, seen), bytes); }
        return read(reader);
      });
    }
    running += 1;
    fetch(link.href, {signal: control.signal, credentials: 'same-origin'}).then(function (reply) {
      if (!reply.ok) return refused(reply);
      name = named(reply, link);
      return read(reply.body.getReader()).then(function () {
        save(name, new Blob(parts, {type: reply.headers.get('Content-Type') || ''}));
        var many = csv ? number.format(seen) + ' dòng · ' : '';
        shown.end('done', 'Đã tải xong ' + name + ': ' + many + size(bytes) + '.');
      });
    }).catch(function (error) {
      parts = [];
      if (control.signal.aborted) shown.end('stopped', 'Đã dừng, không lưu tệp nào.');
      else if (error instanceof TypeError) {
        shown.end('failed', 'Mất kết nối khi đang tải: tệp chưa đủ nên không lưu. Hãy tải lại.');
      } else shown.end('failed', error.message);
    }).finally(function () { running -= 1; });
  }

  document.addEventListener('click', function (event) {
    var link = event.target.closest('[data-rows] a[download]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || !window.ReadableStream) return;
    var rows = Number(link.closest('[data-rows]').dataset.rows);
    if (rows < LONG) return;
    event.preventDefault();
    fetched(link, rows);
  });
})();
