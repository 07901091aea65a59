
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
  Pref.bool("A segment ends its line", false, "Whether lines have no end of their own, as with some older programs")

local tcp_stream = Field.new("tcp.stream")

-- Who has these ports beside us: a browser that is pointed at one, or another server on 8080.
local http = Dissector.get("http")

-- What is known of a session, by the number of its TCP stream: which dialect it speaks, who it is, and since which frame.
local sessions = {}

function switchboard.init()
  sessions = {}
end

-- Whether a port is in a range as preferences write it: "12345,8000-8080".
local function has_port(range, port)
  for first, last in tostring(range):gmatch("(%d+)%-?(%d*)") do
    if tonumber(first) <= port and port <= (tonumber(last) or tonumber(first)) then
      return true
    end
  end
  return false
end

-- Which dialect a line is in, where the port does not say: a verb or a reply of the commands dialect, or not.
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

-- One line as it is shown: adds fields, which know their bytes.
--   tvb: the bytes, from which the line begins at `start`; line: the same as a string, without its end
local function new_view(tvb, start, line, tree)
  local view = { line = line, tree = tree:add(switchboard, tvb(start, #line), "Switchboard: " .. line) }

  -- A field that says `value`, or the bytes themselves, from the position `first` to before `past`.
  function view.add(name, first, past, value)
    local range = tvb(start + first - 1, past - first)
    if value then
      return view.tree:add(fields[name], range, value)
    end
    return view.tree:add_packet_field(fields[name], range, ENC_UTF_8)
  end

  -- A field whose value is known from elsewhere.
  function view.infer(name, value)
    view.tree:add(fields[name], tvb(start, 0), value):set_generated()
  end

  return view
end

-- Adds who wrote, where an earlier line said so.
local function add_author(view, session, pinfo)
  if session.name and session.named_in <= pinfo.number then
    view.infer("sender", session.name)
  end
end

-- Positions of a line's first and past its last byte that is no white space.
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
    -- One space parts the verb from the text; further ones are the text's.
    after = after + 1
    add_author(view, session, pinfo)
  end
  if after < past then
    view.add(verb.argument, after, past)
  end
end

-- A line to a server of the line dialect: the first is a name, the others are `name: message`.
local function add_tell(view, session, pinfo, offset)
  local first, past = trimmed(view.line, 1)
  if first == past then
    return
  end
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
    add_author(view, session, pinfo)
  else
    view.add("text", first, past)
  end
end

local function add_reply(view, session, pinfo, dialect)
  local line = view.line
  for _, reply in ipairs(REPLIES[dialect]) do
    -- Two positions for each field: where it begins, and past its end.
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
    -- Each dissector takes one off: http may ask for more segments as if it were called in our place.
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
  local said = {}
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
        add_tell(view, session, pinfo, at)
      end
      said[#said + 1] = line
    end
    at = lf and lf + 1 or #bytes + 1
  end
  if #said > 0 then
    pinfo.cols.info = (to_server and "> " or "< ") .. table.concat(said, " | ")
  end
  return tvb:len()
end

local ports = DissectorTable.get("tcp.port")
local taken = {}

local function take_ports()
  for _, range in ipairs(taken) do
    ports:remove(range, switchboard)
  end
  taken = {}
  for _, range in ipairs({ switchboard.prefs.commands_ports, switchboard.prefs.line_ports }) do
    if tostring(range) ~= "" then
      ports:add(range, switchboard)
      taken[#taken + 1] = range
    end
  end
end

switchboard.prefs_changed = take_ports
take_ports()
ports:add_for_decode_as(switchboard)
