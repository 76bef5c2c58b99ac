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
#ifndef itkNNVolumeData_h
#define itkNNVolumeData_h

#include "UniverSegTrainingExport.h"
#include "itkImage.h"
#include "itkNNSample.h"

#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** The files of one case. \ingroup UniverSegTraining */
struct VolumeCase
{
  std::vector<std::string> images; ///< one for each modality
  std::string label;               ///< empty: none
  std::string pixelWeight;         ///< empty: none

  /** The name of the first image. */
  const std::string & GetName() const
  {
    return images.front();
  }
};

/** A list of cases as PyMIC has it: a CSV file with a header; the first columns are the images of
 * the modalities, those named `label` and `pixel_weight` may follow, others are passed over.
 * Names of files start from a folder.
 *
 * Throws Error that names the file and the line when the file cannot be read, is longer than
 * 16 MiB, has no case, or a line has another number of columns.
 * \ingroup UniverSegTraining */
UniverSegTraining_EXPORT std::vector<VolumeCase> ReadVolumeList(const std::string & fileName,
                                                                const std::string & folder,
                                                                std::int64_t modalities = 1);

/** All images of a folder in alphabetical order, without labels: its files but for texts, lists
 * and the pixel files of headers. Throws Error when there is
 * none. \ingroup UniverSegTraining */
UniverSegTraining_EXPORT std::vector<VolumeCase> FindVolumes(const std::string & folder);

/** An image and what belongs to it. \ingroup UniverSegTraining */
struct LoadedVolume
{
  Sample sample;                     ///< image [C, D, H, W]; label and weights when there are files
  Image<float, 3>::Pointer geometry; ///< of the first image; its pixels are not to be used
  unsigned int dimension = 3;        ///< of the file: 2 or 3
};

/** Read a case. Images of one file with several components are several channels.
 * Throws Error that names the file when it cannot be read, has other extents than the first,
 * or a label is no whole number or greater than 16777215. \ingroup UniverSegTraining */
UniverSegTraining_EXPORT LoadedVolume ReadVolumeCase(const VolumeCase & files);

/** \class VolumeCache
 * \brief Reads cases and keeps the samples read last while they fit into a number of bytes.
 *
 * Safe to use from several threads.
 * \ingroup UniverSegTraining */
class UniverSegTraining_EXPORT VolumeCache
{
public:
  explicit VolumeCache(std::vector<VolumeCase> cases, std::size_t maximumBytes = std::size_t{ 4 } << 30);

  std::size_t GetNumberOfCases() const
  {
    return m_Cases.size();
  }
  const VolumeCase & GetCase(std::size_t number) const
  {
    return m_Cases.at(number);
  }

  /** Throws Error as ReadVolumeCase(). */
  Sample Get(std::size_t number) const;

private:
  std::vector<VolumeCase> m_Cases;
  std::size_t m_MaximumBytes;
  mutable std::mutex m_Mutex;
  mutable std::map<std::size_t, Sample> m_Samples;
  mutable std::list<std::size_t> m_Order; ///< first read first
  mutable std::size_t m_Bytes = 0;
};
} // namespace nn
} // namespace itk

#endif
