
local switchboard = Proto("switchboard", "Switchboard chat")

local fields = {
  command = ProtoField.string("switchboard.command", "Command"),
  reply = ProtoField.string("switchboard.reply", "Reply"),
  error = ProtoField.string("switchboard.error", "Error code"),
  name = ProtoField.string("switchboard.name", "Name"),
  target = ProtoField.string("switchboard.target", "Target"),
  sender = ProtoField.string("switchboard.sender", "Sender"),
  text = ProtoField.string("switchboard.text", "Text"),
}
switchboard.fields = {
  fields.command, fields.reply, fields.error, fields.name, fields.target, fields.sender, fields.text,
}

switchboard.prefs.commands_ports =
  Pref.range("Ports of the commands dialect", COMMANDS_PORT, "TCP ports where REGISTER, MSG, ... are spoken", 65535)
switchboard.prefs.line_ports =
  Pref.range("Ports of the line dialect", LINE_PORT, "TCP ports where 'name: message' is spoken", 65535)
switchboard.prefs.segments_are_lines =
  Pref.bool("Each segment is a line", false, "Whether lines have no line end, as in some older programs")

local tcp_stream = Field.new("tcp.stream")

-- HTTP may use the same ports: a browser that opens one of them, or another server on 8080.
local http = Dissector.get("http")

-- The state of each session, by the number of its TCP stream: its dialect, its name, and the frame that gave the name.
local sessions = {}

function switchboard.init()
  sessions = {}
end

-- Whether a port is in the range of a preference, such as "12345,8000-8080".
local function has_port(range, port)
  for first, last in tostring(range):gmatch("(%d+)%-?(%d*)") do
    if tonumber(first) <= port and port <= (tonumber(last) or tonumber(first)) then
      return true
    end
  end
  return false
end

-- The dialect of a line, if the port does not decide it: the commands dialect if the line has one of its verbs or is
-- one of its replies, otherwise the line dialect.
local function dialect_of(line)
  local word = line:match("^%s*(%S*)")
  if VERBS[word:upper()] then
    return "commands"
  end
  for _, reply in ipairs(REPLIES.commands) do
    if line:match(reply.pattern) then
      return "commands"
    end
  end
  return "line"
end

-- Adds a line to the tree. Returns a view with functions that add the fields of the line.
--   tvb: the bytes of the packet
--   start: the offset of the line in `tvb`
--   line: the text of the line, without its line end
local function new_view(tvb, start, line, tree)
  local view = { line = line, tree = tree:add(switchboard, tvb(start, #line), "Switchboard: " .. line) }

  -- Adds a field for the bytes from position `first` to before `past`. It shows `value`, or else the bytes themselves.
  function view.add(name, first, past, value)
    local range = tvb(start + first - 1, past - first)
    if value then
      return view.tree:add(fields[name], range, value)
    end
    return view.tree:add_packet_field(fields[name], range, ENC_UTF_8)
  end

  -- Adds a field whose value comes from an earlier line.
  function view.infer(name, value)
    view.tree:add(fields[name], tvb(start, 0), value):set_generated()
  end

  return view
end

-- Adds the sender of a message, if an earlier reply gave the session its name.
local function add_session_name(view, session, pinfo)
  if session.name and session.named_in <= pinfo.number then
    view.infer("sender", session.name)
  end
end

-- The position of the first byte from `first` on that is not white space, and the position after the last such byte.
local function trimmed(line, first)
  first = line:find("%S", first) or #line + 1
  return first, (line:find("%s*$", first))
end

local function add_command(view, session, pinfo)
  local first, past = trimmed(view.line, 1)
  local word, after = view.line:match("^(%S+)()", first)
  local verb = word and VERBS[word:upper()]
  if not verb then
    view.add("text", first, past)
    return
  end
  if not verb.argument then
    if after == past then
      view.add("command", first, past, word:upper())
    else
      view.add("text", first, past)
    end
    return
  end
  view.add("command", first, after, word:upper())
  if verb.argument ~= "text" then
    after = trimmed(view.line, after)
  elseif after < past then
    -- One space separates the verb from the text. Further spaces belong to the text.
    after = after + 1
    add_session_name(view, session, pinfo)
  end
  if after < past then
    view.add(verb.argument, after, past)
  end
end

-- Adds a client's line of the line dialect. The first line is a name, and the later ones are `name: message`.
local function add_client_line(view, session, pinfo, offset)
  local first, past = trimmed(view.line, 1)
  if first == past then
    return
  end
  -- Wireshark dissects a packet several times, so the first line is recognised by its place.
  local place = pinfo.number .. ":" .. offset
  local colon = view.line:find(":", first, true)
  session.first_line = session.first_line or place
  if session.first_line == place and not colon then
    view.add("command", first, past, "REGISTER")
    view.add("name", first, past)
  elseif colon then
    local target_past = view.line:find("%s*:", first)
    local text_first = math.min(trimmed(view.line, colon + 1), past)
    if first < target_past then
      view.add("command", first, colon + 1, "MSG")
      view.add("target", first, target_past)
    end
    view.add("text", text_first, past)
    add_session_name(view, session, pinfo)
  else
    view.add("text", first, past)
  end
end

local function add_reply(view, session, pinfo, dialect)
  local line = view.line
  for _, reply in ipairs(REPLIES[dialect]) do
    -- Two positions for each field: its first byte, and the byte after its end.
    local places = { line:match(reply.pattern) }
    if places[1] then
      view.add("reply", 1, math.max(1, line:find(" ", 1, true) or #line + 1), reply.word)
      if reply.error then
        view.add("error", 1, #line + 1, reply.error)
      end
      for i, name in ipairs(reply.fields) do
        local first, past = places[2 * i - 1], places[2 * i]
        local value = line:sub(first, past - 1)
        if name == "names" then
          for from, name_past in value:gmatch("()[^,]+()") do
            view.add("name", first + from - 1, first + name_past - 1)
          end
        else
          local item = view.add(name, first, past)
          if name == "error" and SENTENCES[value] then
            item:append_text(" (" .. SENTENCES[value] .. ")")
          end
        end
        if reply.word == "REGISTER_OK" and name == "name" and not session.name then
          session.name, session.named_in = value, pinfo.number
        end
      end
      return
    end
  end
  view.add("text", 1, #line + 1)
end

function switchboard.dissector(tvb, pinfo, tree)
  local stream = tcp_stream()
  local key = stream and stream.value or 0
  local session = sessions[key] or {}
  sessions[key] = session

  local bytes = tvb:raw()
  if session.is_http == nil then
    session.is_http = bytes:find("^%u+ %S+ HTTP/%d") ~= nil
  end
  if session.is_http then
    -- Wireshark lowers `can_desegment` for each nested dissector. Raise it, so that http may ask for more segments.
    pinfo.can_desegment = pinfo.can_desegment + 1
    return http:call(tvb, pinfo, tree)
  end

  local server_port = pinfo.match_uint
  if server_port ~= pinfo.dst_port and server_port ~= pinfo.src_port then
    server_port = math.min(pinfo.dst_port, pinfo.src_port)
  end
  local to_server = pinfo.dst_port == server_port
  local line_max = to_server and COMMAND_MAX_BYTES or REPLY_MAX_BYTES

  pinfo.cols.protocol = "Switchboard"
  local lines = {}
  local at = 1
  while at <= #bytes do
    local lf = bytes:find("\n", at, true)
    local may_wait = not switchboard.prefs.segments_are_lines and #bytes - at < line_max
    if not lf and may_wait and pinfo.can_desegment > 0 and tvb:len() == tvb:reported_len() then
      pinfo.desegment_offset = at - 1
      pinfo.desegment_len = DESEGMENT_ONE_MORE_SEGMENT
      break
    end
    local line = bytes:sub(at, lf and lf - 1):gsub("\r$", "")
    if line ~= "" then
      local dialect = has_port(switchboard.prefs.line_ports, server_port) and "line"
        or has_port(switchboard.prefs.commands_ports, server_port) and "commands"
        or session.dialect
        or dialect_of(line)
      session.dialect = dialect
      local view = new_view(tvb, at - 1, line, tree)
      if not to_server then
        add_reply(view, session, pinfo, dialect)
      elseif dialect == "commands" then
        add_command(view, session, pinfo)
      else
        add_client_line(view, session, pinfo, at)
      end
      lines[#lines + 1] = line
    end
    at = lf and lf + 1 or #bytes + 1
  end
  if #lines > 0 then
    pinfo.cols.info = (to_server and "> " or "< ") .. table.concat(lines, " | ")
  end
  return tvb:len()
end

local ports = DissectorTable.get("tcp.port")
-- The port ranges for which the dissector is registered.
local registered = {}

local function register_ports()
  for _, range in ipairs(registered) do
    ports:remove(range, switchboard)
  end
  registered = {}
  for _, range in ipairs({ switchboard.prefs.commands_ports, switchboard.prefs.line_ports }) do
    if tostring(range) ~= "" then
      ports:add(range, switchboard)
      registered[#registered + 1] = range
    end
  end
end

switchboard.prefs_changed = register_ports
register_ports()
ports:add_for_decode_as(switchboard)
