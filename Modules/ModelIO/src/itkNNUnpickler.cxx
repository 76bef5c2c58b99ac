/*=========================================================================
 *
 *  Copyright itk-universeg developers
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         https://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#include "itkNNUnpickler.h"

#include "itkNNFileBytes.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <locale>
#include <sstream>
#include <unordered_set>

namespace itk
{
namespace nn
{
namespace
{
constexpr std::uint64_t longestLine = 65536;
constexpr std::uint64_t longestInteger = 1024;
constexpr std::uint64_t memoEntryBytes = 48;
constexpr std::int64_t maximumStorageElements = std::int64_t{ 1 } << 48;

struct StorageType
{
  const char * name;
  DataType type;
};
constexpr StorageType storageTypes[] = {
  { "FloatStorage", DataType::Float32 }, { "DoubleStorage", DataType::Float64 },
  { "HalfStorage", DataType::Float16 },  { "BFloat16Storage", DataType::BFloat16 },
  { "LongStorage", DataType::Int64 },    { "IntStorage", DataType::Int32 },
  { "ShortStorage", DataType::Int16 },   { "CharStorage", DataType::Int8 },
  { "ByteStorage", DataType::UInt8 },    { "BoolStorage", DataType::Bool },
  { "UntypedStorage", DataType::UInt8 }
};

struct TorchType
{
  const char * name;
  DataType type;
};
constexpr TorchType torchTypes[] = { { "torch.float32", DataType::Float32 }, { "torch.float64", DataType::Float64 },
                                     { "torch.float16", DataType::Float16 }, { "torch.bfloat16", DataType::BFloat16 },
                                     { "torch.int64", DataType::Int64 },     { "torch.int32", DataType::Int32 },
                                     { "torch.int16", DataType::Int16 },     { "torch.uint16", DataType::UInt16 },
                                     { "torch.int8", DataType::Int8 },       { "torch.uint8", DataType::UInt8 },
                                     { "torch.bool", DataType::Bool } };

const std::unordered_set<std::string> &
KnownNames()
{
  static const std::unordered_set<std::string> names = {
    "collections.OrderedDict",
    "collections.defaultdict",
    "collections.Counter",
    "collections.deque",
    "builtins.dict",
    "builtins.list",
    "builtins.tuple",
    "builtins.set",
    "builtins.frozenset",
    "builtins.bytes",
    "builtins.bytearray",
    "builtins.int",
    "builtins.float",
    "builtins.bool",
    "builtins.str",
    "_codecs.encode",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch._tensor._rebuild_from_type_v2",
    "torch.Size",
    "torch.device",
    "torch.Tensor",
    "torch.nn.parameter.Parameter",
    "torch.serialization._get_layout",
    "numpy.dtype",
    "numpy.ndarray",
    "numpy.core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.numeric._frombuffer",
  };
  return names;
}

bool
StartsWith(const std::string & text, const std::string & prefix)
{
  return text.compare(0, prefix.size(), prefix) == 0;
}

/** "FloatStorage" of torch.FloatStorage, torch.cuda.FloatStorage and
 * torch.storage.UntypedStorage; empty for other names. */
std::string
StorageTypeName(const std::string & className)
{
  const std::string suffix = "Storage";
  const std::size_t dot = className.rfind('.');
  if (dot == std::string::npos || className.size() < suffix.size() ||
      className.compare(className.size() - suffix.size(), suffix.size(), suffix) != 0)
  {
    return std::string();
  }
  const std::string module = className.substr(0, dot);
  return module == "torch" || module == "torch.cuda" || module == "torch.storage" ? className.substr(dot + 1)
                                                                                  : std::string();
}

bool
IsTorchType(const std::string & name)
{
  constexpr const char * others[] = { "torch.uint32",      "torch.uint64",          "torch.complex32",
                                      "torch.complex64",   "torch.complex128",      "torch.float8_e4m3fn",
                                      "torch.float8_e5m2", "torch.float8_e4m3fnuz", "torch.float8_e5m2fnuz",
                                      "torch.quint8",      "torch.qint8",           "torch.qint32" };
  return std::any_of(
           std::begin(torchTypes), std::end(torchTypes), [&name](const TorchType & t) { return name == t.name; }) ||
         std::any_of(std::begin(others), std::end(others), [&name](const char * other) { return name == other; });
}

/** Names of Python 2 and of newer NumPy as those of Python 3 and older NumPy. */
std::string
CanonicalName(std::string module, const std::string & name)
{
  if (module == "__builtin__")
  {
    module = "builtins";
  }
  else if (module == "copy_reg")
  {
    module = "copyreg";
  }
  else if (module == "numpy._core" || StartsWith(module, "numpy._core."))
  {
    module = "numpy.core" + module.substr(11);
  }
  return module + '.' + name;
}

/** UTF-8 as Latin-1; throws where a character has no such code. */
std::string
Latin1(const std::string & text)
{
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i)
  {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x80)
    {
      bytes += text[i];
      continue;
    }
    const bool valid = (c == 0xc2 || c == 0xc3) && i + 1 < text.size() && (text[i + 1] & 0xc0) == 0x80;
    itkNNRequireMacro(valid, "a string to be encoded as Latin-1 has other characters");
    bytes += static_cast<char>(((c & 3) << 6) | (text[++i] & 0x3f));
  }
  return bytes;
}

void
AppendUtf8(std::string & text, std::uint32_t code)
{
  if (code < 0x80)
  {
    text += static_cast<char>(code);
  }
  else if (code < 0x800)
  {
    text += static_cast<char>(0xc0 | (code >> 6));
    text += static_cast<char>(0x80 | (code & 0x3f));
  }
  else if (code < 0x10000)
  {
    text += static_cast<char>(0xe0 | (code >> 12));
    text += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    text += static_cast<char>(0x80 | (code & 0x3f));
  }
  else
  {
    text += static_cast<char>(0xf0 | ((code >> 18) & 7));
    text += static_cast<char>(0x80 | ((code >> 12) & 0x3f));
    text += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    text += static_cast<char>(0x80 | (code & 0x3f));
  }
}

/** Text of protocol 0: quoted with Python's escapes, or raw with \u escapes.
 * Bytes beyond ASCII are Latin-1 in the latter. */
std::string
Unescape(const std::string & text, bool unicode)
{
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i)
  {
    const char c = text[i];
    if (c != '\\' || i + 1 >= text.size())
    {
      if (unicode && static_cast<unsigned char>(c) >= 0x80)
      {
        AppendUtf8(result, static_cast<unsigned char>(c));
      }
      else
      {
        result += c;
      }
      continue;
    }
    const char kind = text[i + 1];
    const std::size_t digits = unicode ? (kind == 'u' ? 4 : kind == 'U' ? 8 : 0) : (kind == 'x' ? 2 : 0);
    if (digits > 0)
    {
      std::uint32_t code = 0;
      const bool enough = i + 2 + digits <= text.size();
      const char * first = text.data() + i + 2;
      itkNNRequireMacro(enough && std::from_chars(first, first + digits, code, 16).ptr == first + digits,
                        "a string has an incomplete escape");
      itkNNRequireMacro(code <= 0x10ffff, "a string has an escape beyond Unicode");
      if (unicode)
      {
        AppendUtf8(result, code);
      }
      else
      {
        result += static_cast<char>(code);
      }
      i += 1 + digits;
    }
    else if (unicode)
    {
      result += c;
    }
    else
    {
      result += kind == 'n' ? '\n' : kind == 't' ? '\t' : kind == 'r' ? '\r' : kind;
      ++i;
    }
  }
  return result;
}

double
RealOf(const std::string & text)
{
  if (text == "inf" || text == "-inf")
  {
    return text[0] == '-' ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
  }
  if (text == "nan")
  {
    return std::numeric_limits<double>::quiet_NaN();
  }
  std::istringstream stream(text);
  stream.imbue(std::locale::classic());
  double value = 0;
  itkNNRequireMacro(static_cast<bool>(stream >> value), "the pickle has " << Quote(text) << " where a real should be");
  return value;
}

double
BigEndianReal(const unsigned char * bytes)
{
  std::uint64_t bits = 0;
  for (int i = 0; i < 8; ++i)
  {
    bits = (bits << 8) | bytes[i];
  }
  double value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}
} // namespace

Unpickler::Unpickler(const TorchFileOptions & options)
  : m_Options(options)
  , m_Tree(std::make_shared<TorchObjectTree>())
{
  m_Options.maximumObjects = std::min<std::uint64_t>(m_Options.maximumObjects, std::numeric_limits<Index>::max() - 1);
}

const unsigned char *
Unpickler::Take(std::uint64_t count)
{
  itkNNRequireMacro(count <= static_cast<std::uint64_t>(m_End - m_Position),
                    "the pickle breaks off: " << count << " bytes were expected at its byte " << m_Position - m_Begin
                                              << ", " << m_End - m_Position << " are left");
  const unsigned char * taken = m_Position;
  m_Position += count;
  return taken;
}

std::uint64_t
Unpickler::ReadUnsigned(int bytes)
{
  const unsigned char * data = this->Take(static_cast<std::uint64_t>(bytes));
  std::uint64_t value = 0;
  for (int i = bytes; i-- > 0;)
  {
    value = (value << 8) | data[i];
  }
  return value;
}

std::string
Unpickler::ReadLine()
{
  const auto left = static_cast<std::uint64_t>(m_End - m_Position);
  const auto reach = static_cast<std::size_t>(std::min(left, longestLine));
  const void * newline = std::memchr(m_Position, '\n', reach);
  itkNNRequireMacro(newline != nullptr,
                    "the pickle has an argument without an end at its byte " << m_Position - m_Begin);
  const auto * last = static_cast<const unsigned char *>(newline);
  std::string line(reinterpret_cast<const char *>(m_Position), reinterpret_cast<const char *>(last));
  m_Position = last + 1;
  return line;
}

std::string
Unpickler::ReadText(int lengthBytes)
{
  const std::uint64_t length = this->ReadUnsigned(lengthBytes);
  const unsigned char * data = this->Take(length);
  this->Charge(length);
  return std::string(reinterpret_cast<const char *>(data), static_cast<std::size_t>(length));
}

void
Unpickler::Charge(std::uint64_t bytes)
{
  itkNNRequireMacro(bytes <= m_Options.maximumObjectBytes - m_ObjectBytes,
                    "the pickle's values need more than the limit of " << m_Options.maximumObjectBytes << " bytes");
  m_ObjectBytes += bytes;
}

Unpickler::Index
Unpickler::NewNode(Kind kind)
{
  itkNNRequireMacro(m_Tree->nodes.size() < m_Options.maximumObjects,
                    "the pickle has more than the limit of " << m_Options.maximumObjects << " objects");
  this->Charge(sizeof(Node));
  m_Tree->nodes.emplace_back();
  m_Tree->nodes.back().kind = kind;
  return static_cast<Index>(m_Tree->nodes.size() - 1);
}

Unpickler::Index
Unpickler::NewText(Kind kind, std::string text)
{
  const Index index = this->NewNode(kind);
  this->At(index).text = std::move(text);
  return index;
}

Unpickler::Index
Unpickler::NewInteger(std::int64_t value)
{
  const Index index = this->NewNode(Kind::Integer);
  this->At(index).integer = value;
  return index;
}

Unpickler::Index
Unpickler::NewReal(double value)
{
  const Index index = this->NewNode(Kind::Real);
  this->At(index).real = value;
  return index;
}

Unpickler::Index
Unpickler::NewClass(const std::string & module, const std::string & name)
{
  const std::string full = CanonicalName(module, name);
  itkNNRequireMacro(full.size() <= 1024, "the pickle has a class name of " << full.size() << " characters");
  if (KnownNames().count(full) == 0 && StorageTypeName(full).empty() && !IsTorchType(full))
  {
    if (m_Skipped.insert(full).second)
    {
      this->Charge(full.size() + memoEntryBytes);
    }
  }
  this->Charge(full.size());
  return this->NewText(Kind::Class, full);
}

Unpickler::Index
Unpickler::NewOpaque(const std::string & name, Index arguments)
{
  const std::string copy = name;
  const Index none = this->NewNode(Kind::None);
  this->Charge(copy.size() + 2 * sizeof(Index));
  const Index index = this->NewText(Kind::Opaque, copy);
  this->At(index).items = { arguments, none };
  return index;
}

Unpickler::Index
Unpickler::NewLong(const unsigned char * bytes, std::uint64_t count)
{
  itkNNRequireMacro(count <= longestInteger,
                    "the pickle has an integer of " << count << " bytes, the limit is " << longestInteger);
  const bool negative = count > 0 && (bytes[count - 1] & 0x80) != 0;
  // Sign extension may take more bytes than the value.
  while (count > 8 && bytes[count - 1] == (negative ? 0xff : 0x00) && ((bytes[count - 2] & 0x80) != 0) == negative)
  {
    --count;
  }
  if (count <= 8)
  {
    std::uint64_t value = negative ? ~std::uint64_t{ 0 } : 0;
    for (std::uint64_t i = count; i-- > 0;)
    {
      value = (value << 8) | bytes[i];
    }
    std::int64_t result;
    std::memcpy(&result, &value, sizeof(result));
    return this->NewInteger(result);
  }
  std::string text = "0x";
  for (std::uint64_t i = count; i-- > 0;)
  {
    text += "0123456789abcdef"[bytes[i] >> 4];
    text += "0123456789abcdef"[bytes[i] & 15];
  }
  this->Charge(text.size());
  return this->NewText(Kind::BigInteger, std::move(text));
}

Unpickler::Index
Unpickler::NewDecimal(const std::string & digits)
{
  const char * last = digits.data() + digits.size();
  std::int64_t value = 0;
  const auto parsed = std::from_chars(digits.data(), last, value);
  const bool isNumber =
    !digits.empty() &&
    std::all_of(digits.begin() + (digits[0] == '-' ? 1 : 0), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
  itkNNRequireMacro(isNumber && digits != "-", "the pickle has " << Quote(digits) << " where an integer should be");
  if (parsed.ec == std::errc())
  {
    return this->NewInteger(value);
  }
  itkNNRequireMacro(digits.size() <= longestInteger,
                    "the pickle has an integer of " << digits.size() << " digits, the limit is " << longestInteger);
  // To two's complement: base 256, then negated if need be.
  std::vector<unsigned char> bytes;
  for (const char c : digits)
  {
    if (c == '-')
    {
      continue;
    }
    unsigned int carry = static_cast<unsigned int>(c - '0');
    for (auto & byte : bytes)
    {
      carry += 10u * byte;
      byte = static_cast<unsigned char>(carry & 0xff);
      carry >>= 8;
    }
    if (carry != 0)
    {
      bytes.push_back(static_cast<unsigned char>(carry));
    }
  }
  bytes.push_back(0);
  if (digits[0] == '-')
  {
    unsigned int carry = 1;
    for (auto & byte : bytes)
    {
      carry += static_cast<unsigned char>(~byte);
      byte = static_cast<unsigned char>(carry & 0xff);
      carry >>= 8;
    }
  }
  return this->NewLong(bytes.data(), bytes.size());
}

Unpickler::Index
Unpickler::Top() const
{
  const std::size_t bottom = m_Marks.empty() ? 0 : m_Marks.back();
  itkNNRequireMacro(m_Stack.size() > bottom,
                    "the pickle takes a value from an empty stack at its byte " << m_Position - m_Begin);
  return m_Stack.back();
}

Unpickler::Index
Unpickler::Pop()
{
  const Index index = this->Top();
  m_Stack.pop_back();
  return index;
}

std::vector<Unpickler::Index>
Unpickler::PopToMark()
{
  itkNNRequireMacro(!m_Marks.empty(), "the pickle lacks a mark at its byte " << m_Position - m_Begin);
  const auto first = m_Stack.begin() + static_cast<std::ptrdiff_t>(m_Marks.back());
  std::vector<Index> items(first, m_Stack.end());
  m_Stack.erase(first, m_Stack.end());
  m_Marks.pop_back();
  return items;
}

std::vector<Unpickler::Index>
Unpickler::PopCount(std::size_t count)
{
  std::vector<Index> items(count);
  for (std::size_t i = count; i-- > 0;)
  {
    items[i] = this->Pop();
  }
  return items;
}

void
Unpickler::Remember(std::uint64_t key)
{
  const Index top = this->Top();
  if (m_Memo.insert_or_assign(key, top).second)
  {
    this->Charge(memoEntryBytes);
  }
}

void
Unpickler::Recall(std::uint64_t key)
{
  const auto found = m_Memo.find(key);
  itkNNRequireMacro(found != m_Memo.end(), "the pickle refers to value " << key << ", which was not stored");
  this->Push(found->second);
}

void
Unpickler::PushCollection(Kind kind, std::vector<Index> items)
{
  itkNNRequireMacro(kind != Kind::Dictionary || items.size() % 2 == 0,
                    "the pickle has a dictionary key without a value at its byte " << m_Position - m_Begin);
  this->Charge(items.size() * sizeof(Index));
  const Index index = this->NewNode(kind);
  this->At(index).items = std::move(items);
  this->Push(index);
}

void
Unpickler::AppendItems(Index target, const std::vector<Index> & items)
{
  Node & node = this->At(target);
  if (node.kind == Kind::List || node.kind == Kind::Set)
  {
    this->Charge(items.size() * sizeof(Index));
    node.items.insert(node.items.end(), items.begin(), items.end());
    return;
  }
  itkNNRequireMacro(node.kind == Kind::Opaque,
                    "the pickle appends to a " << TorchObject::ToString(node.kind) << ", expected a list");
}

void
Unpickler::AppendEntries(Index target, const std::vector<Index> & items)
{
  itkNNRequireMacro(items.size() % 2 == 0,
                    "the pickle has a dictionary key without a value at its byte " << m_Position - m_Begin);
  Node & node = this->At(target);
  itkNNRequireMacro(node.kind == Kind::Dictionary || node.kind == Kind::Opaque,
                    "the pickle sets entries of a " << TorchObject::ToString(node.kind) << ", expected a dictionary");
  this->Charge(items.size() * sizeof(Index));
  node.items.insert(node.items.end(), items.begin(), items.end());
}

const std::vector<Unpickler::Index> &
Unpickler::TupleItems(Index index, const char * what)
{
  const Node & node = this->At(index);
  itkNNRequireMacro(node.kind == Kind::Tuple || node.kind == Kind::List,
                    what << " is a " << TorchObject::ToString(node.kind) << ", expected a tuple");
  return node.items;
}

std::int64_t
Unpickler::IntegerOf(Index index, const char * what)
{
  const Node & node = this->At(index);
  itkNNRequireMacro(node.kind == Kind::Integer || node.kind == Kind::Boolean,
                    what << " is a " << TorchObject::ToString(node.kind) << ", expected an integer of 64 bits");
  return node.integer;
}

const std::string &
Unpickler::TextOf(Index index, const char * what)
{
  const Node & node = this->At(index);
  itkNNRequireMacro(node.kind == Kind::String || node.kind == Kind::Bytes,
                    what << " is a " << TorchObject::ToString(node.kind) << ", expected a string");
  return node.text;
}

Shape
Unpickler::ShapeOf(Index index, const char * what)
{
  constexpr std::size_t maximumRank = 64;
  const auto & items = this->TupleItems(index, what);
  itkNNRequireMacro(items.size() <= maximumRank,
                    what << " has " << items.size() << " entries, the limit is " << maximumRank);
  Shape shape;
  for (const Index item : items)
  {
    const std::int64_t value = this->IntegerOf(item, what);
    itkNNRequireMacro(value >= 0, what << " has the negative entry " << value);
    shape.push_back(value);
  }
  return shape;
}

std::string
Unpickler::StorageKey(Index index)
{
  constexpr std::size_t longest = 1024;
  const Node & key = this->At(index);
  if (key.kind == Kind::Integer)
  {
    return std::to_string(key.integer);
  }
  const std::string & text = this->TextOf(index, "the key of a storage");
  itkNNRequireMacro(text.size() <= longest,
                    "the key of a storage has " << text.size() << " characters, the limit is " << longest);
  return text;
}

std::size_t
Unpickler::AddStorage(const StorageReference & storage)
{
  // A view may have the key of its root.
  const auto inserted = m_StorageIndex.emplace((storage.isView ? "view " : "root ") + storage.key, m_Storages.size());
  if (inserted.second)
  {
    this->Charge(sizeof(StorageReference) + 2 * storage.key.size() + memoEntryBytes);
    m_Storages.push_back(storage);
  }
  else
  {
    const StorageReference & known = m_Storages[inserted.first->second];
    itkNNRequireMacro(known.typeName == storage.typeName && known.numberOfElements == storage.numberOfElements &&
                        known.root == storage.root && known.rootOffset == storage.rootOffset,
                      "storage " << Quote(storage.key) << " is declared as " << known.numberOfElements
                                 << " elements of " << known.typeName << " and as " << storage.numberOfElements
                                 << " of " << storage.typeName);
  }
  return inserted.first->second;
}

Unpickler::Index
Unpickler::PersistentLoad(Index identifier)
{
  const auto & items = this->TupleItems(identifier, "a persistent identifier");
  itkNNRequireMacro(!items.empty(), "a persistent identifier is empty");
  const std::string & kind = this->TextOf(items[0], "the kind of a persistent identifier");
  if (kind == "module" && items.size() >= 2)
  {
    // Legacy files tell the source code of a class this way.
    return items[1];
  }
  itkNNRequireMacro(kind == "storage" && items.size() >= 5,
                    "a persistent identifier is " << Quote(kind) << " with " << items.size()
                                                  << " entries, expected 'storage' with 5");
  const Node & type = this->At(items[1]);
  itkNNRequireMacro(type.kind == Kind::Class,
                    "the type of a storage is a " << TorchObject::ToString(type.kind) << ", expected a class");
  StorageReference storage;
  storage.typeName = StorageTypeName(type.text);
  itkNNRequireMacro(!storage.typeName.empty(), "the type of a storage is " << Quote(type.text));
  for (const auto & known : storageTypes)
  {
    if (storage.typeName == known.name)
    {
      storage.type = known.type;
      storage.supported = true;
    }
  }
  storage.key = this->StorageKey(items[2]);
  const std::int64_t count = this->IntegerOf(items[4], "the size of a storage");
  itkNNRequireMacro(count >= 0 && count <= maximumStorageElements,
                    "storage " << Quote(storage.key) << " declares " << count << " elements");
  storage.numberOfElements = static_cast<std::uint64_t>(count);
  std::size_t number = this->AddStorage(storage);
  if (items.size() > 5 && this->At(items[5]).kind != Kind::None)
  {
    const auto & view = this->TupleItems(items[5], "the view of a storage");
    itkNNRequireMacro(view.size() == 3, "the view of a storage has " << view.size() << " entries, expected 3");
    const std::int64_t offset = this->IntegerOf(view[1], "the offset of a storage's view");
    const std::int64_t size = this->IntegerOf(view[2], "the size of a storage's view");
    itkNNRequireMacro(offset >= 0 && size >= 0 && offset <= count && size <= count - offset,
                      "a view of " << size << " elements at " << offset << " is outside of storage "
                                   << Quote(storage.key) << " of " << count);
    storage.isView = true;
    storage.root = number;
    storage.key = this->StorageKey(view[0]);
    storage.rootOffset = static_cast<std::uint64_t>(offset);
    storage.numberOfElements = static_cast<std::uint64_t>(size);
    number = this->AddStorage(storage);
  }
  const Index index = this->NewOpaque("torch." + storage.typeName, identifier);
  this->At(index).integer = static_cast<std::int64_t>(number) + 1;
  return index;
}

Unpickler::Index
Unpickler::RebuildTensor(const std::string & name, const std::vector<Index> & arguments)
{
  itkNNRequireMacro(arguments.size() >= 4, name << " has " << arguments.size() << " arguments, expected at least 4");
  const Node & node = this->At(arguments[0]);
  itkNNRequireMacro(node.kind == Kind::Opaque && node.integer > 0,
                    "the storage of a tensor is a " << TorchObject::ToString(node.kind) << ", expected a storage");
  auto reference = std::make_unique<TensorReference>();
  reference->storage = static_cast<std::size_t>(node.integer - 1);
  const StorageReference & storage = m_Storages[reference->storage];
  reference->type = storage.type;
  bool supported = storage.supported;
  std::string typeName = "torch." + storage.typeName;
  if (name == "torch._utils._rebuild_tensor_v3")
  {
    itkNNRequireMacro(arguments.size() >= 7, name << " has " << arguments.size() << " arguments, expected 7");
    const Node & type = this->At(arguments[6]);
    itkNNRequireMacro(type.kind == Kind::Class,
                      "the dtype of a tensor is a " << TorchObject::ToString(type.kind) << ", expected torch.dtype");
    typeName = type.text;
    supported = false;
    for (const auto & known : torchTypes)
    {
      if (type.text == known.name)
      {
        reference->type = known.type;
        supported = storage.supported;
      }
    }
  }
  const std::int64_t offset = this->IntegerOf(arguments[1], "the offset of a tensor");
  itkNNRequireMacro(offset >= 0, "the offset of a tensor is " << offset);
  reference->offset = static_cast<std::uint64_t>(offset);
  reference->shape = this->ShapeOf(arguments[2], "the shape of a tensor");
  reference->strides = this->ShapeOf(arguments[3], "the strides of a tensor");
  itkNNRequireMacro(reference->shape.size() == reference->strides.size(),
                    "a tensor has the shape " << ToString(reference->shape) << " and the strides "
                                              << ToString(reference->strides) << ", which differ in length");
  if (!supported)
  {
    m_Skipped.insert(typeName);
    return this->NewOpaque(typeName, arguments[2]);
  }
  this->Charge(sizeof(Tensor) + sizeof(TensorReference) + 4 * reference->shape.size() * sizeof(std::int64_t));
  const Index index = this->NewNode(Kind::Tensor);
  this->At(index).integer = static_cast<std::int64_t>(m_Tree->tensors.size());
  m_Tree->tensors.emplace_back();
  m_References.push_back(std::move(reference));
  return index;
}

namespace
{
struct NumPyType
{
  char kind = 0;
  std::size_t size = 0;
  bool bigEndian = false;
  std::string name;
};

/** Parses "f8", "<f4", "|b1". */
NumPyType
ParseNumPyType(const std::string & code, const std::string & order)
{
  NumPyType type;
  std::size_t begin = 0;
  std::string byteOrder = order;
  const std::string orders = "<>=|";
  if (!code.empty() && orders.find(code[0]) != std::string::npos)
  {
    byteOrder = code.substr(0, 1);
    begin = 1;
  }
  type.name = "numpy." + code.substr(begin);
  type.bigEndian = byteOrder == ">";
  if (code.size() > begin)
  {
    std::size_t size = 0;
    const char * last = code.data() + code.size();
    const auto parsed = std::from_chars(code.data() + begin + 1, last, size);
    if (parsed.ec == std::errc() && parsed.ptr == last && size <= 16)
    {
      type.kind = code[begin];
      type.size = size;
    }
  }
  return type;
}

bool
NumPyArrayType(const NumPyType & type, DataType & result)
{
  struct Known
  {
    char kind;
    std::size_t size;
    DataType type;
  };
  constexpr Known known[] = { { 'f', 4, DataType::Float32 }, { 'f', 8, DataType::Float64 },
                              { 'f', 2, DataType::Float16 }, { 'i', 1, DataType::Int8 },
                              { 'i', 2, DataType::Int16 },   { 'i', 4, DataType::Int32 },
                              { 'i', 8, DataType::Int64 },   { 'u', 1, DataType::UInt8 },
                              { 'u', 2, DataType::UInt16 },  { 'b', 1, DataType::Bool } };
  for (const auto & candidate : known)
  {
    if (candidate.kind == type.kind && candidate.size == type.size)
    {
      result = candidate.type;
      return true;
    }
  }
  return false;
}

NumPyType
NumPyTypeOf(const TorchObjectTree & tree, std::uint32_t index)
{
  const auto & node = tree.nodes[index];
  itkNNRequireMacro(node.kind == TorchObject::Kind::Opaque && node.text == "numpy.dtype",
                    "the dtype of a NumPy value is a " << TorchObject::ToString(node.kind) << ", expected numpy.dtype");
  std::string code;
  std::string order;
  const auto & arguments = tree.nodes[node.items[0]];
  if (arguments.kind == TorchObject::Kind::Tuple && !arguments.items.empty())
  {
    code = tree.nodes[arguments.items[0]].text.substr(0, 64);
  }
  const auto & state = tree.nodes[node.items[1]];
  if (state.kind == TorchObject::Kind::Tuple && state.items.size() > 1)
  {
    order = tree.nodes[state.items[1]].text.substr(0, 1);
  }
  return ParseNumPyType(code, order);
}
} // namespace

Unpickler::Index
Unpickler::ScalarFromNumPy(const std::vector<Index> & arguments)
{
  itkNNRequireMacro(arguments.size() == 2,
                    "a NumPy scalar has " << arguments.size() << " arguments, expected its dtype and its bytes");
  const NumPyType type = NumPyTypeOf(*m_Tree, arguments[0]);
  const bool isNumber = (type.kind == 'f' && (type.size == 2 || type.size == 4 || type.size == 8)) ||
                        ((type.kind == 'i' || type.kind == 'u') &&
                         (type.size == 1 || type.size == 2 || type.size == 4 || type.size == 8)) ||
                        (type.kind == 'b' && type.size == 1);
  if (!isNumber)
  {
    m_Skipped.insert(type.name);
    return this->NewOpaque(type.name, arguments[1]);
  }
  const std::string & text = this->TextOf(arguments[1], "the bytes of a NumPy scalar");
  itkNNRequireMacro(text.size() == type.size,
                    "a NumPy scalar of type " << type.name << " has " << text.size() << " bytes");
  std::string bytes = text;
  if (type.bigEndian)
  {
    std::reverse(bytes.begin(), bytes.end());
  }
  std::uint64_t bits = 0;
  for (std::size_t i = bytes.size(); i-- > 0;)
  {
    bits = (bits << 8) | static_cast<unsigned char>(bytes[i]);
  }
  if (type.kind == 'f')
  {
    if (type.size == 2)
    {
      return this->NewReal(HalfToFloat(static_cast<std::uint16_t>(bits)));
    }
    if (type.size == 4)
    {
      const auto narrow = static_cast<std::uint32_t>(bits);
      float value;
      std::memcpy(&value, &narrow, sizeof(value));
      return this->NewReal(static_cast<double>(value));
    }
    double value;
    std::memcpy(&value, &bits, sizeof(value));
    return this->NewReal(value);
  }
  if (type.kind == 'b')
  {
    const Index index = this->NewNode(Kind::Boolean);
    this->At(index).integer = bits != 0 ? 1 : 0;
    return index;
  }
  if (type.kind == 'u')
  {
    bytes += '\0';
  }
  return this->NewLong(reinterpret_cast<const unsigned char *>(bytes.data()), bytes.size());
}

Unpickler::Index
Unpickler::ArrayFromNumPy(Index target, Index shape, Index dtype, bool fortran, Index bytes)
{
  const NumPyType type = NumPyTypeOf(*m_Tree, dtype);
  DataType dataType = DataType::Float32;
  if (!NumPyArrayType(type, dataType))
  {
    m_Skipped.insert(type.name);
    return target;
  }
  const Shape extents = this->ShapeOf(shape, "the shape of a NumPy array");
  const std::string & data = this->TextOf(bytes, "the elements of a NumPy array");
  const std::int64_t count = CheckedNumberOfElements(extents);
  itkNNRequireMacro(data.size() == static_cast<std::uint64_t>(count) * type.size,
                    "a NumPy array of type " << type.name << " and shape " << ToString(extents) << " has "
                                             << data.size() << " bytes");
  this->Charge(2 * data.size() + sizeof(Tensor));
  FileBytes copy = CopyBytes(data.data(), data.size());
  if (type.bigEndian)
  {
    for (std::uint64_t i = 0; i < copy.size; i += type.size)
    {
      std::reverse(copy.data + i, copy.data + i + type.size);
    }
  }
  Shape strides;
  if (fortran)
  {
    std::int64_t step = 1;
    for (const auto extent : extents)
    {
      strides.push_back(step);
      step *= std::max<std::int64_t>(extent, 1);
    }
  }
  Tensor tensor = TensorFromBytes(copy.data, extents, dataType, strides, copy.owner);
  if (m_Options.convertToFloat32 && IsFloatingPoint(dataType))
  {
    tensor = tensor.To(DataType::Float32);
  }
  Node & node = this->At(target);
  node.kind = Kind::Tensor;
  node.text.clear();
  node.items.clear();
  node.integer = static_cast<std::int64_t>(m_Tree->tensors.size());
  m_Tree->tensors.push_back(std::move(tensor));
  m_References.emplace_back();
  return target;
}

Unpickler::Index
Unpickler::CollectionFromIterable(Kind kind, const std::vector<Index> & arguments)
{
  std::vector<Index> items;
  if (!arguments.empty())
  {
    const Node & source = this->At(arguments[0]);
    const bool isSequence = source.kind == Kind::List || source.kind == Kind::Tuple || source.kind == Kind::Set;
    this->Charge(2 * source.items.size() * sizeof(Index));
    if (kind == Kind::Dictionary && source.kind == Kind::Dictionary)
    {
      items = source.items;
    }
    else if (kind == Kind::Dictionary && isSequence)
    {
      for (const Index pair : source.items)
      {
        const auto & entry = this->TupleItems(pair, "an entry of a dictionary");
        itkNNRequireMacro(entry.size() == 2, "an entry of a dictionary has " << entry.size() << " values, expected 2");
        items.insert(items.end(), entry.begin(), entry.end());
      }
    }
    else if (kind != Kind::Dictionary && isSequence)
    {
      items = source.items;
    }
    else
    {
      itkNNThrowMacro("a " << TorchObject::ToString(kind) << " is made from a " << TorchObject::ToString(source.kind));
    }
  }
  const Index index = this->NewNode(kind);
  this->At(index).items = std::move(items);
  return index;
}

Unpickler::Index
Unpickler::Call(Index function, Index arguments, int depth)
{
  const Node & callable = this->At(function);
  if (callable.kind != Kind::Class)
  {
    const std::string name =
      callable.kind == Kind::Opaque ? callable.text : std::string(TorchObject::ToString(callable.kind));
    return this->NewOpaque(name, arguments);
  }
  const std::string & name = callable.text;
  const auto & items = this->TupleItems(arguments, "the arguments of a call");

  if (name == "collections.OrderedDict" || name == "builtins.dict" || name == "collections.Counter")
  {
    return this->CollectionFromIterable(Kind::Dictionary, items);
  }
  if (name == "collections.defaultdict")
  {
    return this->CollectionFromIterable(Kind::Dictionary,
                                        items.size() > 1 ? std::vector<Index>{ items[1] } : std::vector<Index>{});
  }
  if (name == "builtins.list" || name == "collections.deque")
  {
    return this->CollectionFromIterable(Kind::List, items);
  }
  if (name == "builtins.tuple" || name == "torch.Size")
  {
    return this->CollectionFromIterable(Kind::Tuple, items);
  }
  if (name == "builtins.set" || name == "builtins.frozenset")
  {
    return this->CollectionFromIterable(Kind::Set, items);
  }
  if (name == "_codecs.encode" || name == "builtins.bytes" || name == "builtins.bytearray")
  {
    if (items.empty())
    {
      return this->NewText(Kind::Bytes, std::string());
    }
    const Node & source = this->At(items[0]);
    if (source.kind == Kind::String || source.kind == Kind::Bytes)
    {
      this->Charge(source.text.size());
      bool latin = false;
      if (items.size() > 1 && source.kind == Kind::String)
      {
        const std::string & encoding = this->TextOf(items[1], "the encoding of a string");
        latin = encoding == "latin1" || encoding == "latin-1";
      }
      return this->NewText(Kind::Bytes, latin ? Latin1(source.text) : source.text);
    }
    return this->NewOpaque(name, arguments);
  }
  if (name == "torch._utils._rebuild_tensor" || name == "torch._utils._rebuild_tensor_v2" ||
      name == "torch._utils._rebuild_tensor_v3")
  {
    return this->RebuildTensor(name, items);
  }
  if (name == "torch._utils._rebuild_parameter" || name == "torch._utils._rebuild_parameter_with_state" ||
      name == "torch.nn.parameter.Parameter")
  {
    itkNNRequireMacro(!items.empty(), name << " has no arguments");
    return items[0];
  }
  if (name == "torch._tensor._rebuild_from_type_v2")
  {
    itkNNRequireMacro(items.size() >= 3, name << " has " << items.size() << " arguments, expected 4");
    itkNNRequireMacro(depth == 0, name << " is nested");
    return this->Call(items[0], items[2], depth + 1);
  }
  if (name == "torch.device")
  {
    itkNNRequireMacro(items.size() <= 2, name << " has " << items.size() << " arguments, expected 1 or 2");
    std::string text;
    for (const Index item : items)
    {
      const Node & part = this->At(item);
      this->Charge(part.text.size());
      text += (text.empty() ? "" : ":");
      text += part.kind == Kind::Integer ? std::to_string(part.integer) : this->TextOf(item, "a part of a device");
    }
    return this->NewText(Kind::String, std::move(text));
  }
  if (name == "numpy.core.multiarray.scalar")
  {
    return this->ScalarFromNumPy(items);
  }
  if (name == "numpy.core.multiarray._reconstruct")
  {
    return this->NewOpaque("numpy.ndarray", arguments);
  }
  if (name == "numpy.core.numeric._frombuffer" && items.size() == 4)
  {
    const bool fortran = this->TextOf(items[3], "the order of a NumPy array") == "F";
    return this->ArrayFromNumPy(this->NewOpaque("numpy.ndarray", arguments), items[2], items[1], fortran, items[0]);
  }
  if ((name == "copyreg._reconstructor" || name == "copyreg.__newobj__") && !items.empty() &&
      this->At(items[0]).kind == Kind::Class)
  {
    return this->NewOpaque(this->At(items[0]).text, arguments);
  }
  return this->NewOpaque(name, arguments);
}

void
Unpickler::Build()
{
  const Index state = this->Pop();
  const Index target = this->Top();
  Node & node = this->At(target);
  if (node.kind != Kind::Opaque)
  {
    // Attributes of dictionaries and parameters, such as _metadata, have no use.
    return;
  }
  if (node.text == "numpy.ndarray")
  {
    const Node & values = this->At(state);
    if (values.kind == Kind::Tuple && values.items.size() == 5)
    {
      const std::vector<Index> items = values.items;
      this->ArrayFromNumPy(
        target, items[1], items[2], this->IntegerOf(items[3], "the order of a NumPy array") != 0, items[4]);
      return;
    }
  }
  node.items[1] = state;
}

void
Unpickler::Reduce()
{
  const Index arguments = this->Pop();
  const Index function = this->Pop();
  this->Push(this->Call(function, arguments, 0));
}

std::uint32_t
Unpickler::Load(const unsigned char *& begin, const unsigned char * end)
{
  m_Begin = begin;
  m_Position = begin;
  m_End = end;
  m_Stack.clear();
  m_Marks.clear();
  m_Memo.clear();
  while (true)
  {
    const auto operation = static_cast<char>(this->Take(1)[0]);
    switch (static_cast<unsigned char>(operation))
    {
      case 0x80: // PROTO
      {
        const std::uint64_t protocol = this->ReadUnsigned(1);
        itkNNRequireMacro(protocol <= 5, "the pickle's protocol is " << protocol << ", expected 0 to 5");
        break;
      }
      case 0x95: // FRAME
        this->ReadUnsigned(8);
        break;
      case '.': // STOP
      {
        const Index result = this->Pop();
        begin = m_Position;
        m_Stack = {};
        m_Marks = {};
        m_Memo = {};
        return result;
      }
      case '(': // MARK
        itkNNRequireMacro(m_Marks.size() < m_Options.maximumObjects,
                          "the pickle has more than the limit of " << m_Options.maximumObjects << " marks");
        m_Marks.push_back(m_Stack.size());
        break;
      case '0': // POP
        if (!m_Marks.empty() && m_Marks.back() == m_Stack.size())
        {
          m_Marks.pop_back();
        }
        else
        {
          this->Pop();
        }
        break;
      case '1': // POP_MARK
        this->PopToMark();
        break;
      case '2': // DUP
        this->Push(this->Top());
        break;
      case 'N': // NONE
        this->Push(this->NewNode(Kind::None));
        break;
      case 0x88: // NEWTRUE
      case 0x89: // NEWFALSE
      {
        const Index index = this->NewNode(Kind::Boolean);
        this->At(index).integer = static_cast<unsigned char>(operation) == 0x88 ? 1 : 0;
        this->Push(index);
        break;
      }
      case 'I': // INT
      {
        const std::string line = this->ReadLine();
        if (line == "00" || line == "01")
        {
          const Index index = this->NewNode(Kind::Boolean);
          this->At(index).integer = line == "01" ? 1 : 0;
          this->Push(index);
        }
        else
        {
          this->Push(this->NewDecimal(line));
        }
        break;
      }
      case 'J': // BININT
        this->Push(this->NewLong(this->Take(4), 4));
        break;
      case 'K': // BININT1
        this->Push(this->NewInteger(static_cast<std::int64_t>(this->ReadUnsigned(1))));
        break;
      case 'M': // BININT2
        this->Push(this->NewInteger(static_cast<std::int64_t>(this->ReadUnsigned(2))));
        break;
      case 'L': // LONG
      {
        std::string line = this->ReadLine();
        if (!line.empty() && line.back() == 'L')
        {
          line.pop_back();
        }
        this->Push(this->NewDecimal(line));
        break;
      }
      case 0x8a: // LONG1
      case 0x8b: // LONG4
      {
        const std::uint64_t length = this->ReadUnsigned(static_cast<unsigned char>(operation) == 0x8a ? 1 : 4);
        itkNNRequireMacro(length <= longestInteger,
                          "the pickle has an integer of " << length << " bytes, the limit is " << longestInteger);
        this->Push(this->NewLong(this->Take(length), length));
        break;
      }
      case 'F': // FLOAT
        this->Push(this->NewReal(RealOf(this->ReadLine())));
        break;
      case 'G': // BINFLOAT
        this->Push(this->NewReal(BigEndianReal(this->Take(8))));
        break;
      case 'S': // STRING
      {
        const std::string line = this->ReadLine();
        itkNNRequireMacro(line.size() >= 2 && (line[0] == '\'' || line[0] == '"') && line.back() == line[0],
                          "the pickle has a string without quotes");
        this->Charge(line.size());
        this->Push(this->NewText(Kind::String, Unescape(line.substr(1, line.size() - 2), false)));
        break;
      }
      case 'V': // UNICODE
      {
        const std::string line = this->ReadLine();
        this->Charge(2 * line.size());
        this->Push(this->NewText(Kind::String, Unescape(line, true)));
        break;
      }
      case 'T': // BINSTRING
        this->Push(this->NewText(Kind::String, this->ReadText(4)));
        break;
      case 'U': // SHORT_BINSTRING
        this->Push(this->NewText(Kind::String, this->ReadText(1)));
        break;
      case 'X': // BINUNICODE
        this->Push(this->NewText(Kind::String, this->ReadText(4)));
        break;
      case 0x8c: // SHORT_BINUNICODE
        this->Push(this->NewText(Kind::String, this->ReadText(1)));
        break;
      case 0x8d: // BINUNICODE8
        this->Push(this->NewText(Kind::String, this->ReadText(8)));
        break;
      case 'B': // BINBYTES
        this->Push(this->NewText(Kind::Bytes, this->ReadText(4)));
        break;
      case 'C': // SHORT_BINBYTES
        this->Push(this->NewText(Kind::Bytes, this->ReadText(1)));
        break;
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        this->Push(this->NewText(Kind::Bytes, this->ReadText(8)));
        break;
      case ']': // EMPTY_LIST
        this->PushCollection(Kind::List, {});
        break;
      case ')': // EMPTY_TUPLE
        this->PushCollection(Kind::Tuple, {});
        break;
      case '}': // EMPTY_DICT
        this->PushCollection(Kind::Dictionary, {});
        break;
      case 0x8f: // EMPTY_SET
        this->PushCollection(Kind::Set, {});
        break;
      case 'l': // LIST
        this->PushCollection(Kind::List, this->PopToMark());
        break;
      case 't': // TUPLE
        this->PushCollection(Kind::Tuple, this->PopToMark());
        break;
      case 'd': // DICT
        this->PushCollection(Kind::Dictionary, this->PopToMark());
        break;
      case 0x91: // FROZENSET
        this->PushCollection(Kind::Set, this->PopToMark());
        break;
      case 0x85: // TUPLE1
        this->PushCollection(Kind::Tuple, this->PopCount(1));
        break;
      case 0x86: // TUPLE2
        this->PushCollection(Kind::Tuple, this->PopCount(2));
        break;
      case 0x87: // TUPLE3
        this->PushCollection(Kind::Tuple, this->PopCount(3));
        break;
      case 'a': // APPEND
      {
        const auto items = this->PopCount(1);
        this->AppendItems(this->Top(), items);
        break;
      }
      case 'e':  // APPENDS
      case 0x90: // ADDITEMS
      {
        const auto items = this->PopToMark();
        this->AppendItems(this->Top(), items);
        break;
      }
      case 's': // SETITEM
      {
        const auto items = this->PopCount(2);
        this->AppendEntries(this->Top(), items);
        break;
      }
      case 'u': // SETITEMS
      {
        const auto items = this->PopToMark();
        this->AppendEntries(this->Top(), items);
        break;
      }
      case 'p': // PUT
      case 'g': // GET
      {
        const std::string line = this->ReadLine();
        std::uint64_t key = 0;
        const char * last = line.data() + line.size();
        const auto parsed = std::from_chars(line.data(), last, key);
        itkNNRequireMacro(parsed.ec == std::errc() && parsed.ptr == last,
                          "the pickle has the memo key " << Quote(line) << ", expected a number");
        if (operation == 'p')
        {
          this->Remember(key);
        }
        else
        {
          this->Recall(key);
        }
        break;
      }
      case 'q': // BINPUT
        this->Remember(this->ReadUnsigned(1));
        break;
      case 'r': // LONG_BINPUT
        this->Remember(this->ReadUnsigned(4));
        break;
      case 0x94: // MEMOIZE
        this->Remember(m_Memo.size());
        break;
      case 'h': // BINGET
        this->Recall(this->ReadUnsigned(1));
        break;
      case 'j': // LONG_BINGET
        this->Recall(this->ReadUnsigned(4));
        break;
      case 'c': // GLOBAL
      {
        const std::string module = this->ReadLine();
        const std::string name = this->ReadLine();
        this->Push(this->NewClass(module, name));
        break;
      }
      case 0x93: // STACK_GLOBAL
      {
        const auto items = this->PopCount(2);
        this->Push(this->NewClass(this->TextOf(items[0], "a module name"), this->TextOf(items[1], "a class name")));
        break;
      }
      case 'R': // REDUCE
        this->Reduce();
        break;
      case 0x81: // NEWOBJ
        this->Reduce();
        break;
      case 0x92: // NEWOBJ_EX
        this->Pop();
        this->Reduce();
        break;
      case 'i': // INST
      {
        const std::string module = this->ReadLine();
        const std::string name = this->ReadLine();
        auto items = this->PopToMark();
        const Index type = this->NewClass(module, name);
        this->PushCollection(Kind::Tuple, std::move(items));
        this->Push(this->Call(type, this->Pop(), 0));
        break;
      }
      case 'o': // OBJ
      {
        auto items = this->PopToMark();
        itkNNRequireMacro(!items.empty(), "the pickle makes an object without a class");
        const Index type = items.front();
        items.erase(items.begin());
        this->PushCollection(Kind::Tuple, std::move(items));
        this->Push(this->Call(type, this->Pop(), 0));
        break;
      }
      case 'b': // BUILD
        this->Build();
        break;
      case 'Q': // BINPERSID
        this->Push(this->PersistentLoad(this->Pop()));
        break;
      default:
        itkNNThrowMacro("the pickle has the operation " << static_cast<int>(static_cast<unsigned char>(operation))
                                                        << " at its byte " << m_Position - m_Begin - 1
                                                        << ", which files of torch.save() do not use");
    }
  }
}
} // namespace nn
} // namespace itk
