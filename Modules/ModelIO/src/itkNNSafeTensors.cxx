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
#include "itkNNSafeTensors.h"

#include "itkNNSafeTensorsReader.h"
#include "itkNNFileReplacement.h"
#include "itkNNJson.h"

#include <algorithm>
#include <fstream>
#include <functional>
#include <limits>
#include <unordered_set>

namespace itk
{
namespace nn
{
namespace
{
constexpr std::uint64_t maximumHeaderBytes = 100 * 1000 * 1000;
constexpr std::uint64_t headerAlignment = 8;
constexpr const char * metadataKey = "__metadata__";

struct TypeName
{
  DataType type;
  const char * name;
};
constexpr TypeName typeNames[] = { { DataType::Float64, "F64" }, { DataType::Float32, "F32" },
                                   { DataType::Float16, "F16" }, { DataType::BFloat16, "BF16" },
                                   { DataType::Int64, "I64" },   { DataType::Int32, "I32" },
                                   { DataType::Int16, "I16" },   { DataType::UInt16, "U16" },
                                   { DataType::Int8, "I8" },     { DataType::UInt8, "U8" },
                                   { DataType::Bool, "BOOL" } };

struct TensorEntry
{
  std::string name;
  DataType type = DataType::Float32;
  Shape shape;
  std::vector<std::uint64_t> offsets;
};

/** Takes exactly the header's structure from the parser's events, so that memory
 * stays proportional to the header whatever it holds. */
class HeaderHandler : public nlohmann::json_sax<nlohmann::json>
{
public:
  std::vector<TensorEntry> entries;
  SafeTensorsMetadata metadata;

  bool null() override
  {
    return this->Unexpected("null");
  }
  bool boolean(bool) override
  {
    return this->Unexpected("a boolean");
  }
  bool number_integer(number_integer_t value) override
  {
    itkNNThrowMacro("the header has the number " << value << this->Where() << ", expected no negative one");
  }
  bool number_unsigned(number_unsigned_t value) override
  {
    if (m_State == State::Shape)
    {
      itkNNRequireMacro(value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()),
                        "the extent " << value << this->Where() << " exceeds 63 bits");
      itkNNRequireMacro(entries.back().shape.size() < 64, "there are more than 64 extents" << this->Where());
      entries.back().shape.push_back(static_cast<std::int64_t>(value));
      return true;
    }
    if (m_State == State::Offsets)
    {
      itkNNRequireMacro(entries.back().offsets.size() < 2, "there are more than two data_offsets" << this->Where());
      entries.back().offsets.push_back(value);
      return true;
    }
    return this->Unexpected("a number");
  }
  bool number_float(number_float_t, const string_t & text) override
  {
    itkNNThrowMacro("the header has the number " << Quote(text) << this->Where() << ", expected an integer of 64 bits");
  }
  bool string(string_t & value) override
  {
    if (m_State == State::Metadata)
    {
      itkNNRequireMacro(metadata.emplace(m_Key, value).second,
                        "the metadata have the key " << Quote(m_Key) << " twice");
      return true;
    }
    if (m_State == State::Entry && m_Key == "dtype")
    {
      const auto * found = std::find_if(
        std::begin(typeNames), std::end(typeNames), [&value](const TypeName & t) { return value == t.name; });
      if (found == std::end(typeNames))
      {
        std::string known;
        for (const auto & t : typeNames)
        {
          known += std::string(known.empty() ? "" : " ") + t.name;
        }
        itkNNThrowMacro("the dtype " << Quote(value) << this->Where() << " is not one of " << known);
      }
      entries.back().type = found->type;
      return true;
    }
    return this->Unexpected("a string");
  }
  bool binary(binary_t &) override
  {
    return this->Unexpected("binary data");
  }
  bool start_object(std::size_t) override
  {
    if (m_State == State::Start)
    {
      m_State = State::Top;
      return true;
    }
    if (m_State == State::Top)
    {
      if (m_Key == metadataKey)
      {
        m_State = State::Metadata;
      }
      else
      {
        m_State = State::Entry;
        m_Fields = 0;
        entries.emplace_back();
        entries.back().name = m_Key;
      }
      return true;
    }
    return this->Unexpected("an object");
  }
  bool key(string_t & value) override
  {
    m_Key = value;
    if (m_State == State::Top)
    {
      itkNNRequireMacro(m_Names.insert(value).second, "the name " << Quote(value) << " occurs twice in the header");
    }
    else if (m_State == State::Entry)
    {
      const unsigned int field = value == "dtype" ? 1 : value == "shape" ? 2 : value == "data_offsets" ? 4 : 0;
      itkNNRequireMacro(field != 0, "the header has an unknown field " << Quote(value) << this->Where());
      itkNNRequireMacro((m_Fields & field) == 0, "the field " << Quote(value) << " occurs twice" << this->Where());
      m_Fields |= field;
    }
    return true;
  }
  bool end_object() override
  {
    if (m_State == State::Entry)
    {
      itkNNRequireMacro(m_Fields == 7, "dtype, shape or data_offsets is missing" << this->Where());
      itkNNRequireMacro(entries.back().offsets.size() == 2, "there are not two data_offsets" << this->Where());
      m_State = State::Top;
    }
    else
    {
      m_State = m_State == State::Metadata ? State::Top : State::Done;
    }
    return true;
  }
  bool start_array(std::size_t) override
  {
    if (m_State == State::Entry && (m_Key == "shape" || m_Key == "data_offsets"))
    {
      m_State = m_Key == "shape" ? State::Shape : State::Offsets;
      return true;
    }
    return this->Unexpected("an array");
  }
  bool end_array() override
  {
    m_State = State::Entry;
    return true;
  }
  bool parse_error(std::size_t position, const std::string &, const nlohmann::json::exception & error) override
  {
    itkNNThrowMacro("the header is not valid JSON at its byte " << position << ": " << BriefReason(error));
  }

private:
  enum class State
  {
    Start,
    Top,
    Metadata,
    Entry,
    Shape,
    Offsets,
    Done
  };

  std::string Where() const
  {
    switch (m_State)
    {
      case State::Entry:
      case State::Shape:
      case State::Offsets:
        return " for tensor " + Quote(entries.back().name);
      case State::Metadata:
        return " in the metadata";
      default:
        return "";
    }
  }
  bool Unexpected(const char * what) const
  {
    itkNNThrowMacro("the header has " << what << " where it should not be, at key " << Quote(m_Key) << this->Where());
  }

  State m_State = State::Start;
  std::string m_Key;
  unsigned int m_Fields = 0;
  std::unordered_set<std::string> m_Names;
};

std::uint64_t
ReadLittleEndian64(const unsigned char * bytes)
{
  std::uint64_t value = 0;
  for (int i = 7; i >= 0; --i)
  {
    value = (value << 8) | bytes[i];
  }
  return value;
}

void
CheckExtents(const std::vector<TensorEntry> & entries, std::uint64_t dataSize)
{
  std::vector<const TensorEntry *> byOffset;
  byOffset.reserve(entries.size());
  for (const auto & entry : entries)
  {
    const std::uint64_t begin = entry.offsets[0];
    const std::uint64_t end = entry.offsets[1];
    itkNNRequireMacro(begin <= end && end <= dataSize,
                      "the data_offsets [" << begin << ", " << end << "] of tensor " << Quote(entry.name)
                                           << " are outside of the " << dataSize << " bytes of data");
    const auto needed = static_cast<std::uint64_t>(CheckedNumberOfElements(entry.shape)) * SizeOf(entry.type);
    itkNNRequireMacro(end - begin == needed,
                      "tensor " << Quote(entry.name) << " of type " << ToString(entry.type) << " and shape "
                                << ToString(entry.shape) << " needs " << needed << " bytes, its data_offsets [" << begin
                                << ", " << end << "] give " << end - begin);
    byOffset.push_back(&entry);
  }
  std::sort(byOffset.begin(),
            byOffset.end(),
            [](const TensorEntry * a, const TensorEntry * b) { return a->offsets < b->offsets; });
  std::uint64_t position = 0;
  for (const auto * entry : byOffset)
  {
    itkNNRequireMacro(entry->offsets[0] >= position,
                      "the data of tensor " << Quote(entry->name) << " overlap with those of another tensor");
    itkNNRequireMacro(entry->offsets[0] == position,
                      "there is a hole of " << entry->offsets[0] - position << " bytes before the data of tensor "
                                            << Quote(entry->name));
    position = entry->offsets[1];
  }
  itkNNRequireMacro(position == dataSize,
                    "the tensors end at byte " << position << " of the data, the file at byte " << dataSize);
}

struct Layout
{
  std::string header;
  std::vector<const Tensor *> order;
};

Layout
LayOut(const StateDict & tensors, const SafeTensorsMetadata & metadata)
{
  std::vector<const StateDict::Entry *> order;
  for (const auto & entry : tensors)
  {
    itkNNRequireMacro(entry.second.IsDefined(), "Tensor " << Quote(entry.first) << " is undefined");
    itkNNRequireMacro(entry.first != metadataKey, "A tensor must not have the name " << Quote(metadataKey));
    order.push_back(&entry);
  }
  std::stable_sort(order.begin(),
                   order.end(),
                   [](const StateDict::Entry * a, const StateDict::Entry * b)
                   { return SizeOf(a->second.GetDataType()) > SizeOf(b->second.GetDataType()); });

  Layout layout;
  std::unordered_map<const Tensor *, std::uint64_t> begins;
  std::uint64_t position = 0;
  for (const auto * entry : order)
  {
    begins[&entry->second] = position;
    position += entry->second.GetNumberOfBytes();
    layout.order.push_back(&entry->second);
  }

  Json header = Json::object();
  if (!metadata.empty())
  {
    Json & target = header[metadataKey] = Json::object();
    for (const auto & entry : metadata)
    {
      target[entry.first] = entry.second;
    }
  }
  // Not through operator[], whose search is linear in an ordered object.
  auto & object = header.get_ref<Json::object_t &>();
  for (const auto & entry : tensors)
  {
    const std::uint64_t begin = begins[&entry.second];
    Json fields = Json::object();
    fields["dtype"] = ToSafeTensorsName(entry.second.GetDataType());
    fields["shape"] = entry.second.GetShape();
    fields["data_offsets"] = { begin, begin + entry.second.GetNumberOfBytes() };
    object.push_back({ entry.first, std::move(fields) });
  }
  layout.header = DumpJson(header);
  layout.header.append((headerAlignment - layout.header.size() % headerAlignment) % headerAlignment, ' ');
  itkNNRequireMacro(layout.header.size() <= maximumHeaderBytes,
                    "The header would have " << layout.header.size() << " bytes, the limit is " << maximumHeaderBytes);
  return layout;
}

void
Emit(const Layout & layout, const std::function<void(const void *, std::size_t)> & emit)
{
  unsigned char length[8];
  const std::uint64_t headerSize = layout.header.size();
  for (int i = 0; i < 8; ++i)
  {
    length[i] = static_cast<unsigned char>(headerSize >> (8 * i));
  }
  emit(length, sizeof(length));
  emit(layout.header.data(), layout.header.size());
  for (const auto * tensor : layout.order)
  {
    if (tensor->GetNumberOfElements() > 0)
    {
      const Tensor contiguous = tensor->Contiguous();
      emit(contiguous.GetRawData(), contiguous.GetNumberOfBytes());
    }
  }
}
} // namespace

SafeTensorsFile
ParseSafeTensors(const FileBytes & bytes)
{
  itkNNRequireMacro(bytes.size >= 8, "it has " << bytes.size << " bytes, fewer than the 8 of the header's length");
  const std::uint64_t headerSize = ReadLittleEndian64(bytes.data);
  itkNNRequireMacro(headerSize <= maximumHeaderBytes,
                    "the header's length is " << headerSize << ", the limit is " << maximumHeaderBytes
                                              << "; the content looks like " << GuessContent(bytes));
  itkNNRequireMacro(headerSize <= bytes.size - 8,
                    "the header's length is " << headerSize << ", but only " << bytes.size - 8
                                              << " bytes follow; is the file truncated?");
  const auto * header = reinterpret_cast<const char *>(bytes.data) + 8;
  itkNNRequireMacro(headerSize >= 2 && header[0] == '{',
                    "the header does not begin with '{'; the content looks like " << GuessContent(bytes));

  HeaderHandler handler;
  nlohmann::json::sax_parse(header, header + headerSize, &handler);

  unsigned char * const data = bytes.data + 8 + headerSize;
  CheckExtents(handler.entries, bytes.size - 8 - headerSize);
  SafeTensorsFile file;
  file.metadata = std::move(handler.metadata);
  for (auto & entry : handler.entries)
  {
    file.tensors.Add(std::move(entry.name),
                     TensorFromBytes(data + entry.offsets[0], entry.shape, entry.type, {}, bytes.owner));
  }
  return file;
}

SafeTensorsFile
ReadSafeTensors(const std::string & fileName)
{
  return WithFileInErrors(
    "safetensors file",
    fileName,
    [&] { return ParseSafeTensors(ReadFileBytes(fileName, std::numeric_limits<std::int64_t>::max())); });
}

SafeTensorsFile
ReadSafeTensorsFromMemory(const void * data, std::size_t size)
{
  return WithFileInErrors("safetensors file", "memory", [&] { return ParseSafeTensors(CopyBytes(data, size)); });
}

void
WriteSafeTensors(const std::string & fileName, const StateDict & tensors, const SafeTensorsMetadata & metadata)
{
  const Layout layout = LayOut(tensors, metadata);
  ReplaceFile(fileName,
              [&](const std::string & temporary)
              {
                std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
                Emit(layout,
                     [&file](const void * data, std::size_t size)
                     { file.write(static_cast<const char *>(data), static_cast<std::streamsize>(size)); });
                file.close();
                itkNNRequireMacro(file.good(), "Cannot write '" << fileName << "': writing failed; is the disk full?");
              });
}

std::vector<unsigned char>
SerializeSafeTensors(const StateDict & tensors, const SafeTensorsMetadata & metadata)
{
  std::vector<unsigned char> bytes;
  Emit(LayOut(tensors, metadata),
       [&bytes](const void * data, std::size_t size)
       {
         const auto * first = static_cast<const unsigned char *>(data);
         bytes.insert(bytes.end(), first, first + size);
       });
  return bytes;
}

const char *
ToSafeTensorsName(DataType type)
{
  for (const auto & entry : typeNames)
  {
    if (entry.type == type)
    {
      return entry.name;
    }
  }
  itkNNThrowMacro("The type " << ToString(type) << " has no name in safetensors");
}
} // namespace nn
} // namespace itk
