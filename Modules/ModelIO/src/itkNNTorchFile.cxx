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
#include "itkNNTorchFile.h"

#include "itkNNTorchReader.h"
#include "itkNNUnpickler.h"
#include "itkNNZipArchive.h"

#include <algorithm>
#include <cstring>

namespace itk
{
namespace nn
{
namespace
{
using Kind = TorchObject::Kind;

constexpr std::uint64_t expansionFactor = 8;
/** Of the largest element type. */
constexpr std::uintptr_t storageAlignment = 8;
constexpr const char * legacyMagic = "0x1950a86a20f9469cfc6c";
constexpr std::int64_t legacyProtocol = 1001;

using StorageBytes = std::unordered_map<std::size_t, FileBytes>;

void
CheckStorageSize(const StorageReference & storage, std::uint64_t found)
{
  itkNNRequireMacro(found == storage.GetNumberOfBytes(),
                    "storage " << Quote(storage.key) << " of " << storage.numberOfElements << " elements of "
                               << storage.typeName << " needs " << storage.GetNumberOfBytes() << " bytes, the file has "
                               << found);
}

/** Bytes from the first to behind the last element that a tensor reaches, which
 * lie inside of its storage, or an Error. */
void
CheckReach(const TensorReference & reference, const StorageReference & storage)
{
  const std::uint64_t capacity = storage.GetNumberOfBytes() / SizeOf(reference.type);
  bool inside = reference.offset < capacity;
  std::uint64_t last = reference.offset;
  for (std::size_t axis = 0; inside && axis < reference.shape.size(); ++axis)
  {
    const auto steps = static_cast<std::uint64_t>(reference.shape[axis] - 1);
    const auto stride = static_cast<std::uint64_t>(reference.strides[axis]);
    // Divide, since the product may overflow.
    inside = steps == 0 || stride <= (capacity - 1 - last) / steps;
    last += inside ? steps * stride : 0;
  }
  itkNNRequireMacro(inside,
                    "a tensor of shape " << ToString(reference.shape) << ", strides " << ToString(reference.strides)
                                         << " and offset " << reference.offset << " reaches beyond storage "
                                         << Quote(storage.key) << " of " << capacity << " elements");
}

/** Give the pickle's tensors their elements. Load maps the index of a storage to
 * its bytes. */
template <typename TLoad>
void
AttachTensors(const Unpickler & unpickler, const TorchFileOptions & options, std::uint64_t dataBytes, TLoad && load)
{
  const std::uint64_t maximumBytes = expansionFactor * dataBytes + options.maximumExpandedBytes;
  std::uint64_t totalBytes = 0;
  const auto & references = unpickler.GetTensorReferences();
  StorageBytes loaded;
  for (std::size_t i = 0; i < references.size(); ++i)
  {
    if (references[i] == nullptr)
    {
      continue;
    }
    const TensorReference & reference = *references[i];
    Tensor & tensor = unpickler.GetTree()->tensors[i];
    const std::int64_t count = CheckedNumberOfElements(reference.shape);
    const bool convert = options.convertToFloat32 && IsFloatingPoint(reference.type);
    if (count == 0)
    {
      tensor = Tensor(reference.shape, convert ? DataType::Float32 : reference.type);
      continue;
    }
    const StorageReference & storage = unpickler.GetStorages()[reference.storage];
    CheckReach(reference, storage);
    const std::uint64_t elementSize = std::max<std::uint64_t>(SizeOf(reference.type), convert ? 4 : 1);
    const bool fits = static_cast<std::uint64_t>(count) <= (maximumBytes - totalBytes) / elementSize;
    itkNNRequireMacro(fits,
                      "the tensors, the last of shape " << ToString(reference.shape) << ", have more than "
                                                        << maximumBytes
                                                        << " bytes, which is out of proportion to the file");
    totalBytes += static_cast<std::uint64_t>(count) * elementSize;

    const std::size_t root = storage.isView ? storage.root : reference.storage;
    auto found = loaded.find(root);
    if (found == loaded.end())
    {
      const StorageReference & source = unpickler.GetStorages()[root];
      found = loaded.emplace(root, load(root, source)).first;
      CheckStorageSize(source, found->second.size);
      if (reinterpret_cast<std::uintptr_t>(found->second.data) % storageAlignment != 0)
      {
        found->second = CopyBytes(found->second.data, found->second.size);
      }
    }
    const std::uint64_t skipped = storage.rootOffset * SizeOf(storage.type) + reference.offset * SizeOf(reference.type);
    tensor = TensorFromBytes(found->second.data + skipped,
                             reference.shape,
                             reference.type,
                             reference.shape.empty() ? Shape() : reference.strides,
                             found->second.owner);
    if (convert)
    {
      tensor = tensor.To(DataType::Float32);
    }
  }
}

TorchFile
MakeFile(const Unpickler & unpickler, std::uint32_t root, const char * serialization)
{
  TorchFile file;
  file.root = TorchObject(unpickler.GetTree(), root);
  file.serialization = serialization;
  file.skippedClasses.assign(unpickler.GetSkippedClasses().begin(), unpickler.GetSkippedClasses().end());
  return file;
}

std::string
TextOf(const FileBytes & bytes)
{
  return std::string(reinterpret_cast<const char *>(bytes.data),
                     static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size, 64)));
}

TorchFile
ParseZip(const FileBytes & bytes, const TorchFileOptions & options)
{
  const ZipArchive archive(bytes, options);
  const std::string pickleName = "data.pkl";
  const auto isPickle = [&pickleName](const ZipArchive::Entry & entry)
  {
    const std::size_t slash = entry.name.rfind('/');
    return entry.name.compare(slash == std::string::npos ? 0 : slash + 1, std::string::npos, pickleName) == 0;
  };
  const auto & entries = archive.GetEntries();
  const auto pickle = std::find_if(entries.begin(), entries.end(), isPickle);
  itkNNRequireMacro(pickle != entries.end(),
                    "the zip archive has no entry " << pickleName
                                                    << " as those of torch.save() have; its first entry is "
                                                    << Quote(entries.front().name));
  itkNNRequireMacro(std::find_if(pickle + 1, entries.end(), isPickle) == entries.end(),
                    "the zip archive has more than one entry " << pickleName);
  const std::string stem = pickle->name.substr(0, pickle->name.size() - pickleName.size());
  itkNNRequireMacro(archive.Find(stem + "constants.pkl") == nullptr,
                    "it is a TorchScript archive; save the model's state_dict() with torch.save() instead");
  if (const auto * byteOrder = archive.Find(stem + "byteorder"))
  {
    const std::string order = TextOf(archive.Extract(*byteOrder));
    itkNNRequireMacro(order == "little", "its byte order is " << Quote(order) << ", expected 'little'");
  }
  itkNNRequireMacro(pickle->size <= options.maximumPickleBytes,
                    "its pickle has " << pickle->size << " bytes, the limit is " << options.maximumPickleBytes);

  Unpickler unpickler(options);
  const FileBytes pickled = archive.Extract(*pickle);
  const unsigned char * position = pickled.data;
  const std::uint32_t root = unpickler.Load(position, pickled.data + pickled.size);
  std::uint64_t dataBytes = bytes.size;
  for (const auto & entry : entries)
  {
    dataBytes += entry.deflated ? entry.size : 0;
  }
  AttachTensors(unpickler,
                options,
                dataBytes,
                [&](std::size_t, const StorageReference & storage)
                {
                  const std::string name = stem + "data/" + storage.key;
                  const auto * entry = archive.Find(name);
                  itkNNRequireMacro(entry != nullptr,
                                    "the zip archive lacks the entry " << Quote(name) << " of a storage");
                  CheckStorageSize(storage, entry->size);
                  return archive.Extract(*entry);
                });
  return MakeFile(unpickler, root, "zip");
}

TorchFile
ParseLegacy(const FileBytes & bytes, const TorchFileOptions & options)
{
  Unpickler unpickler(options);
  const unsigned char * position = bytes.data;
  const unsigned char * end = bytes.data + bytes.size;
  const auto load = [&]
  {
    const auto left = static_cast<std::uint64_t>(end - position);
    const unsigned char * limit = position + std::min(left, options.maximumPickleBytes);
    const std::uint32_t root = unpickler.Load(position, limit);
    return std::make_pair(TorchObject(unpickler.GetTree(), root), root);
  };
  const TorchObject magic = load().first;
  itkNNRequireMacro(magic.GetKind() == Kind::BigInteger && magic.GetText() == legacyMagic,
                    "it is a pickle but not one of torch.save(), whose first value is the number "
                      << legacyMagic << "; found a " << TorchObject::ToString(magic.GetKind()));
  const TorchObject protocol = load().first;
  itkNNRequireMacro(protocol.GetKind() == Kind::Integer && protocol.GetInteger() == legacyProtocol,
                    "its legacy protocol is not " << legacyProtocol);
  const TorchObject system = load().first;
  itkNNRequireMacro(system.IsDictionary(),
                    "its system information is a " << TorchObject::ToString(system.GetKind())
                                                   << ", expected a dictionary");
  itkNNRequireMacro(!system.Has("little_endian") || system.Get("little_endian").GetBoolean(),
                    "its byte order is big, expected little");
  const std::uint32_t root = load().second;
  const TorchObject keys = load().first;
  itkNNRequireMacro(keys.GetKind() == Kind::List || keys.GetKind() == Kind::Tuple,
                    "its storage keys are a " << TorchObject::ToString(keys.GetKind()) << ", expected a list");

  std::unordered_map<std::string, std::size_t> numbers;
  const auto & storages = unpickler.GetStorages();
  for (std::size_t i = 0; i < storages.size(); ++i)
  {
    if (!storages[i].isView)
    {
      numbers.emplace(storages[i].key, i);
    }
  }
  StorageBytes contents;
  for (std::size_t i = 0; i < keys.GetSize(); ++i)
  {
    const TorchObject key = keys.GetItem(i);
    const std::string text =
      key.GetKind() == Kind::Integer ? std::to_string(key.GetInteger()) : key.GetText().substr(0, 2048);
    const auto found = numbers.find(text);
    itkNNRequireMacro(found != numbers.end(), "its storage " << Quote(text) << " belongs to no tensor");
    const StorageReference & storage = storages[found->second];
    itkNNRequireMacro(storage.supported,
                      "its storage " << Quote(text) << " is of the type torch." << storage.typeName
                                     << ", whose size in a legacy file is unknown; convert the file with a newer "
                                        "torch.save()");
    itkNNRequireMacro(end - position >= 8, "it breaks off before storage " << Quote(text));
    std::uint64_t count = 0;
    for (int byte = 7; byte >= 0; --byte)
    {
      count = (count << 8) | position[byte];
    }
    position += 8;
    itkNNRequireMacro(count == storage.numberOfElements,
                      "storage " << Quote(text) << " has " << count << " elements, its tensors expect "
                                 << storage.numberOfElements);
    const std::uint64_t size = storage.GetNumberOfBytes();
    itkNNRequireMacro(size <= static_cast<std::uint64_t>(end - position),
                      "it breaks off in storage " << Quote(text) << ": " << size << " bytes were expected, "
                                                  << end - position << " are left");
    FileBytes content;
    content.owner = bytes.owner;
    content.data = const_cast<unsigned char *>(position);
    content.size = size;
    itkNNRequireMacro(contents.emplace(found->second, content).second,
                      "its storage " << Quote(text) << " occurs twice");
    position += size;
  }
  AttachTensors(unpickler,
                options,
                bytes.size,
                [&](std::size_t number, const StorageReference & storage)
                {
                  const auto found = contents.find(number);
                  itkNNRequireMacro(found != contents.end(),
                                    "it lacks the storage " << Quote(storage.key) << " of a tensor");
                  return found->second;
                });
  return MakeFile(unpickler, root, "legacy");
}
} // namespace

TorchFile
ParseTorchFile(const FileBytes & bytes, const TorchFileOptions & options)
{
  if (LooksLikeZip(bytes))
  {
    return ParseZip(bytes, options);
  }
  if (LooksLikePickle(bytes))
  {
    return ParseLegacy(bytes, options);
  }
  const std::string found = GuessContent(bytes);
  const bool isTar = found == "a tar archive";
  itkNNThrowMacro(
    "found " << found << ", expected the zip archive or the legacy stream that torch.save() writes"
             << (isTar ? "; files of PyTorch before 0.1.10 are tar archives: load and save them again with a newer "
                         "PyTorch"
                       : ""));
}

TorchFile
ReadTorchFile(const std::string & fileName, const TorchFileOptions & options)
{
  return WithFileInErrors(
    "torch file", fileName, [&] { return ParseTorchFile(ReadFileBytes(fileName, options.maximumFileBytes), options); });
}

TorchFile
ReadTorchFileFromMemory(const void * data, std::size_t size, const TorchFileOptions & options)
{
  return WithFileInErrors("torch file",
                          "memory",
                          [&]
                          {
                            itkNNRequireMacro(size <= options.maximumFileBytes,
                                              "it has " << size << " bytes, the limit is " << options.maximumFileBytes);
                            return ParseTorchFile(CopyBytes(data, size), options);
                          });
}
} // namespace nn
} // namespace itk
