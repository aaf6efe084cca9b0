/* Sends a file that was dropped or chosen on the page of uploads, as it is, and says what came of it.
 *
 * Dash draws the page anew, so everything is listened to on the document. The list below the drop
 * place comes from the server; this file only sends.
 */
(function () {
  'use strict';

  function place() { return document.getElementById('upload-drop'); }
  function say(words, bad) {
    var said = document.getElementById('upload-said');
    if (!said) return;
    said.textContent = words;
    said.classList.toggle('is-bad', Boolean(bad));
  }

  function refusal(file, data) {
    var name = file.name.toLowerCase();
    var fits = data.suffixes.split(',').some(function (end) { return name.endsWith(end); });
    if (!fits) return 'Chỉ nhận tệp ' + data.suffixes.replace(',', ' hoặc ') + '.';
    if (file.size > Number(data.most)) return 'Tệp vượt ' + data.most / 1048576 + ' MB.';
    return file.size ? '' : 'Tệp trống.';
  }

  function send(file) {
    var data = place().dataset, why = refusal(file, data);
    if (why) { say(file.name + ': ' + why, true); return; }
    say('Đang gửi ' + file.name + '…');
    fetch('/upload/' + encodeURIComponent(data.source), {
      method: 'POST',
      body: file,
      headers: {
        'Content-Type': 'application/octet-stream',
        'X-File-Name': encodeURIComponent(file.name),
        'Accept': 'application/json',
        'X-CSRFToken': (document.cookie.match(/(?:^|; )ioc-csrf=([^;]*)/) || [])[1] || '',
      },
    }).then(function (answer) {
      return answer.json().then(function (told) {
        if (answer.ok) say('Đã gửi ' + file.name + '. Kết quả hiện ở danh sách bên dưới.');
        else say(file.name + ': ' + (told.detail || 'không gửi được'), true);
      });
    }).catch(function () { say(file.name + ': không gửi được, hãy thử lại.', true); });
  }

  function over(event, yes) {
    var box = event.target.closest && event.target.closest('#upload-drop');
    if (place()) place().classList.toggle('is-over', Boolean(box) && yes);
    return box;
  }

  document.addEventListener('click', function (event) {
    if (event.target.id !== 'upload-pick') return;
    var chosen = document.createElement('input');
    chosen.type = 'file';
    chosen.accept = place().dataset.suffixes;
    chosen.addEventListener('change', function () { if (chosen.files[0]) send(chosen.files[0]); });
    chosen.click();
  });
  ['dragenter', 'dragover'].forEach(function (kind) {
    document.addEventListener(kind, function (event) {
      if (place()) { event.preventDefault(); over(event, true); }
    });
  });
  document.addEventListener('dragleave', function (event) { over(event, false); });
  document.addEventListener('drop', function (event) {
    if (!place()) return;
    event.preventDefault();
    if (over(event, false) && event.dataTransfer.files[0]) send(event.dataTransfer.files[0]);
  });
})();
